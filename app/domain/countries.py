"""Countries by whatever a shop calls them: ISO 3166 codes of two and three letters, English names, and those in their own languages.

Made from CLDR (Babel 2.19: English and every official language of the country), with other English and long names in use.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

MEMBERS = frozenset(
    (
        *("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE"),
        *("IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE"),
    )
)
"""The 27 member states of the Union since 2020 (europa.eu, country profiles)."""
MEANT = {"UK": "GB", "EL": "GR"}
"""Codes that the Union's offices use for what ISO 3166 calls otherwise."""
SUBDIVISIONS = frozenset(
    (
        *("AL", "AR", "AZ", "CA", "CO", "DE", "GA", "ID", "IL", "IN", "KY", "LA", "MA", "MD", "ME", "MN"),
        *("MO", "MS", "MT", "NC", "NE", "PA", "SC", "SD", "TN", "VA", "NL", "NU", "PE", "SK", "YT", "SA"),
    )
)
"""Countries' codes that are those of a state or province in the USA, Canada or Australia as well."""
MAX_NAME = 60

TABLE = """\
AD AND Andorra
AE ARE United Arab Emirates|الإمارات العربية المتحدة|UAE
AF AFG Afghanistan|افغانستان|Owganystan
AG ATG Antigua & Barbuda
AI AIA Anguilla
AL ALB Albania|Shqipëri
AM ARM Armenia|Հայաստան
AO AGO Angola
AQ ATA Antarctica
AR ARG Argentina
AS ASM American Samoa
AT AUT Austria|Österreich|Austrija|Avstrija|Ausztria
AU AUS Australia
AW ABW Aruba
AX ALA Åland Islands|Åland
AZ AZE Azerbaijan|Azərbaycan|Азәрбајҹан
BA BIH Bosnia & Herzegovina|Босна и Херцеговина|Bosna i Hercegovina|Bosnia
BB BRB Barbados
BD BGD Bangladesh|বাংলাদেশ
BE BEL Belgium|België|Belgique|Belgien
BF BFA Burkina Faso
BG BGR Bulgaria|България
BH BHR Bahrain|البحرين
BI BDI Burundi|Uburundi
BJ BEN Benin
BL BLM St. Barthélemy|Saint-Barthélemy
BM BMU Bermuda
BN BRN Brunei|بروني
BO BOL Bolivia
BQ BES Caribbean Netherlands|Caribisch Nederland
BR BRA Brazil|Brasil|Brazile
BS BHS Bahamas
BT BTN Bhutan|འབྲུག
BV BVT Bouvet Island
BW BWA Botswana
BY BLR Belarus|Беларусь
BZ BLZ Belize
CA CAN Canada|ᑲᓇᑕᒥ
CC CCK Cocos (Keeling) Islands
CD COD Congo - Kinshasa|Kongo - Kinshasa|Republíki ya Kongó Demokratíki|Democratic Republic of the Congo
CF CAF Central African Republic|Ködörösêse tî Bêafrîka|République centrafricaine
CG COG Congo - Brazzaville|Congo|Republic of the Congo
CH CHE Switzerland|Schweiz|Schwiiz|Suisse|Svizzera|Svizra
CI CIV Côte d’Ivoire|Ivory Coast
CK COK Cook Islands
CL CHL Chile
CM CMR Cameroon|Cameroun
CN CHN China|中国|جۇڭگو|Cunghgoz|རྒྱ་ནག|중국
CO COL Colombia
CR CRI Costa Rica
CU CUB Cuba
CV CPV Cape Verde|Cabo Verde
CW CUW Curaçao|Kòrsou
CX CXR Christmas Island
CY CYP Cyprus|Κύπρος|Kıbrıs|Republic of Cyprus
CZ CZE Czechia|Česko|Czech Republic|Česká republika
DE DEU Germany|Deutschland|Federal Republic of Germany|Bundesrepublik Deutschland
DJ DJI Djibouti|جيبوتي
DK DNK Denmark|Danmark|Dänemark|Danmarki
DM DMA Dominica
DO DOM Dominican Republic|República Dominicana
DZ DZA Algeria|الجزائر|Algérie
EC ECU Ecuador
EE EST Estonia|Eesti
EG EGY Egypt|مصر
EH ESH Western Sahara|الصحراء الغربية
ER ERI Eritrea|ኤርትራ|إريتريا
ES ESP Spain|España|Espanya|Espainia|Espanha
ET ETH Ethiopia|ኢትዮጵያ
FI FIN Finland|Suomi
FJ FJI Fiji
FK FLK Falkland Islands
FM FSM Micronesia
FO FRO Faroe Islands|Føroyar
FR FRA France
GA GAB Gabon
GB GBR United Kingdom|Y Deyrnas Unedig|an Ríocht Aontaithe|An Rìoghachd Aonaichte|Great Britain|England|Scotland|Wales|Northern Ireland
GD GRD Grenada
GE GEO Georgia|საქართველო|Гуырдзыстон|Қырҭтәыла
GF GUF French Guiana|Guyane française
GG GGY Guernsey
GH GHA Ghana|Gaana|Ghana nutome
GI GIB Gibraltar
GL GRL Greenland|Kalaallit Nunaat
GM GMB Gambia
GN GIN Guinea|Guinée
GP GLP Guadeloupe
GQ GNQ Equatorial Guinea|Guinea Ecuatorial|Guinée équatoriale|Guiné Equatorial
GR GRC Greece|Ελλάδα|Hellas
GS SGS South Georgia & South Sandwich Islands
GT GTM Guatemala
GU GUM Guam
GW GNB Guinea-Bissau|Guiné-Bissau
GY GUY Guyana
HK HKG Hong Kong SAR China|中國香港特別行政區|Hong Kong
HM HMD Heard Island & McDonald Islands
HN HND Honduras
HR HRV Croatia|Hrvatska|Croazia|Croasia
HT HTI Haiti
HU HUN Hungary|Magyarország
ID IDN Indonesia
IE IRL Ireland|Éire|Republic of Ireland
IL ISR Israel|ישראל|إسرائيل
IM IMN Isle of Man|Ellan Vannin
IN IND India|भारत|ভারত|భారతదేశం|இந்தியா|بھارت|ભારત|ಭಾರತ|ଭାରତ|ഇന്ത്യ|ਭਾਰਤ|ভাৰত|ᱤᱱᱰᱤᱭᱟ|ہِندوستان
IO IOT British Indian Ocean Territory
IQ IRQ Iraq|العراق|عێراق
IR IRN Iran|ایران
IS ISL Iceland|Ísland
IT ITA Italy|Italia|Italie
JE JEY Jersey
JM JAM Jamaica
JO JOR Jordan|الأردن
JP JPN Japan|日本
KE KEN Kenya
KG KGZ Kyrgyzstan|Кыргызстан|Киргизия
KH KHM Cambodia|កម្ពុជា
KI KIR Kiribati
KM COM Comoros|جزر القمر|Comores
KN KNA St. Kitts & Nevis
KP PRK North Korea|조선민주주의인민공화국
KR KOR South Korea|대한민국|Korea|Republic of Korea
KW KWT Kuwait|الكويت
KY CYM Cayman Islands
KZ KAZ Kazakhstan|Казахстан|Қазақстан
LA LAO Laos|ລາວ
LB LBN Lebanon|لبنان
LC LCA St. Lucia
LI LIE Liechtenstein|Liächteschtäi
LK LKA Sri Lanka|ශ්‍රී ලංකාව|இலங்கை
LR LBR Liberia
LS LSO Lesotho
LT LTU Lithuania|Lietuva
LU LUX Luxembourg|Lëtzebuerg|Luxemburg
LV LVA Latvia|Latvija
LY LBY Libya|ليبيا
MA MAR Morocco|المغرب|Maroc|Meṛṛuk
MC MCO Monaco
MD MDA Moldova|Republica Moldova|Republic of Moldova
ME MNE Montenegro|Crna Gora
MF MAF St. Martin|Saint-Martin
MG MDG Madagascar|Madagasikara
MH MHL Marshall Islands
MK MKD North Macedonia|Северна Македонија|Maqedonia e Veriut|Macedonia
ML MLI Mali
MM MMR Myanmar (Burma)|မြန်မာ|Myanmar|Burma
MN MNG Mongolia|Монгол
MO MAC Macao SAR China|中國澳門特別行政區|Macau, RAE da China|Macau|Macao
MP MNP Northern Mariana Islands
MQ MTQ Martinique
MR MRT Mauritania|موريتانيا
MS MSR Montserrat
MT MLT Malta
MU MUS Mauritius|Maurice
MV MDV Maldives|ދިވެހި ރާއްޖެ
MW MWI Malawi
MX MEX Mexico
MY MYS Malaysia
MZ MOZ Mozambique|Moçambique
NA NAM Namibia
NC NCL New Caledonia|Nouvelle-Calédonie
NE NER Niger
NF NFK Norfolk Island
NG NGA Nigeria|Nàìjíríà
NI NIC Nicaragua
NL NLD Netherlands|Nederland|Nederlân|Holland
NO NOR Norway|Norge|Noreg|Norga
NP NPL Nepal|नेपाल
NR NRU Nauru
NU NIU Niue
NZ NZL New Zealand|Aotearoa
OM OMN Oman|عُمان
PA PAN Panama
PE PER Peru
PF PYF French Polynesia|Polynésie française
PG PNG Papua New Guinea|Papua Niugini
PH PHL Philippines|Pilipinas
PK PAK Pakistan|پاکستان
PL POL Poland|Polska|Polen|Lenkija
PM SPM St. Pierre & Miquelon|Saint-Pierre-et-Miquelon
PN PCN Pitcairn Islands
PR PRI Puerto Rico
PS PSE Palestinian Territories|الأراضي الفلسطينية|Palestine
PT PRT Portugal
PW PLW Palau
PY PRY Paraguay|Paraguai
QA QAT Qatar|قطر
RE REU Réunion|La Réunion
RO ROU Romania
RS SRB Serbia|Srbija|Србија|Szerbia|Srbsko|Сербія
RU RUS Russia|Россия|Росси|Рәсәй|Урысей|Рузонь мастор|Арассыыйа|Ород Улас|Русија|Россия Федерациязы|Урысые|Russian Federation
RW RWA Rwanda|U Rwanda
SA SAU Saudi Arabia|المملكة العربية السعودية
SB SLB Solomon Islands
SC SYC Seychelles
SD SDN Sudan|السودان
SE SWE Sweden|Sverige|Ruotsi
SG SGP Singapore|新加坡|Singapura|சிங்கப்பூர்
SH SHN St. Helena, Ascension & Tristan da Cunha
SI SVN Slovenia|Slovenija|Zlovenia
SJ SJM Svalbard & Jan Mayen|Svalbard og Jan Mayen
SK SVK Slovakia|Slovensko|Slovak Republic|Slovenská republika
SL SLE Sierra Leone
SM SMR San Marino
SN SEN Senegal|Senegaal
SO SOM Somalia|Soomaaliya|الصومال
SR SUR Suriname
SS SSD South Sudan
ST STP São Tomé & Príncipe|São Tomé e Príncipe
SV SLV El Salvador
SX SXM Sint Maarten
SY SYR Syria|سوريا
SZ SWZ Eswatini|Swaziland
TC TCA Turks & Caicos Islands
TD TCD Chad|تشاد|Tchad
TF ATF French Southern and Antarctic Lands
TG TGO Togo
TH THA Thailand|ไทย
TJ TJK Tajikistan|Тоҷикистон
TK TKL Tokelau
TL TLS Timor-Leste
TM TKM Turkmenistan
TN TUN Tunisia|تونس|Tunisie
TO TON Tonga
TR TUR Türkiye|Turkey
TT TTO Trinidad & Tobago
TV TUV Tuvalu
TW TWN Taiwan|台灣|Taiwan, Province of China
TZ TZA Tanzania
UA UKR Ukraine|Україна|Украина
UG UGA Uganda
UM UMI U.S. Outlying Islands
US USA United States|Estados Unidos|ʻAmelika Hui Pū ʻIa|United States of America|U.S.|U.S.A.
UY URY Uruguay
UZ UZB Uzbekistan|Oʻzbekiston|Ўзбекистон
VA VAT Vatican City|Città del Vaticano
VC VCT St. Vincent & Grenadines
VE VEN Venezuela
VG VGB British Virgin Islands
VI VIR U.S. Virgin Islands
VN VNM Vietnam|Việt Nam|Viet Nam
VU VUT Vanuatu
WF WLF Wallis & Futuna|Wallis-et-Futuna
WS WSM Samoa
XK XKX Kosovo|Kosovë|Косово
YE YEM Yemen|اليمن
YT MYT Mayotte
ZA ZAF South Africa|iNingizimu Afrika|EMzantsi Afrika|Suid-Afrika|Afrika Borwa|Aforika Borwa
ZM ZMB Zambia
ZW ZWE Zimbabwe
"""
"""Two letters, three letters, names."""


def _folded(name: str) -> str:
    """Without case, accents, punctuation and article: `Österreich` and `OSTERREICH` are one."""
    plain = unicodedata.normalize("NFKD", name.replace("&", " and ").casefold())
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return " ".join("".join(sign if sign.isalnum() else " " for sign in letters).split()).removeprefix("the ")


_ROWS = [line.split(" ", 2) for line in TABLE.splitlines()]
CODES = frozenset(row[0] for row in _ROWS)
_LONG = {long: code for code, long, _ in _ROWS}
_NAMES = {_folded(name): code for code, _, names in _ROWS for name in names.split("|")}


@lru_cache(maxsize=4_096)  # few countries, many events
def country(told: str) -> str | None:
    """The two letters of a code or name; `EU` where no more is told; None: there is no such country."""
    word = told.strip()
    if len(word) > MAX_NAME:
        return None
    upper = word.upper()
    if upper == "EU" or upper in CODES:
        return upper
    return MEANT.get(upper) or _LONG.get(upper) or _NAMES.get(_folded(word))


def of_region(told: str) -> str | None:
    """The country of a `region` that is a country's code.

    One that may be a state's as well tells a country only if that is in the Union, where the rules are the stricter: `CA` may be
    California, `DE` is not taken for Delaware.
    """
    word = told.strip()
    found = country(word) if len(word) in (2, 3) else None
    return None if found in SUBDIVISIONS and found not in MEMBERS and len(word) == 2 else found


def place(code: str) -> bool:
    """Whether a pack may name it as a region: `EU`, or the two letters of a country."""
    return code == "EU" or code in CODES
