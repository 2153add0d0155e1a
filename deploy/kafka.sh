#!/usr/bin/env bash
# A real Apache Kafka 4 broker (KRaft, broker and controller in one node, loopback only) from Maven Central, without Docker or the tarball.
# Needs mvn and Java 17 or later. Runs in the foreground; SIGTERM stops it cleanly.
#   deploy/kafka.sh              fetches the jars and formats the storage once, then runs
#   deploy/kafka.sh fetch        only fetches the jars
#   deploy/kafka.sh reset        deletes the data, then runs
# Environment: PORT (9092), CONTROLLER_PORT (9093), KAFKA_HOME_DIR (.kairos/kafka), KAFKA_JARS_DIR (the same),
# KAFKA_HEAP_OPTS, KAFKA_VERSION.
set -euo pipefail

KAFKA_VERSION="${KAFKA_VERSION:-4.1.1}"
SCALA="2.13"
LOG4J_VERSION="${LOG4J_VERSION:-2.24.3}" # Kafka 4 logs through slf4j 1.7, so the binding is log4j-slf4j-impl, not slf4j2
PORT="${PORT:-9092}"
CONTROLLER_PORT="${CONTROLLER_PORT:-9093}"
ROOT="${KAFKA_HOME_DIR:-.kairos/kafka}"
HEAP="${KAFKA_HEAP_OPTS:--Xmx768M -Xms256M}"
mkdir -p "$ROOT"
ROOT="$(cd "$ROOT" && pwd)"
DATA="$ROOT/data"
JARS="${KAFKA_JARS_DIR:-$ROOT}"
mkdir -p "$JARS"
JARS="$(cd "$JARS" && pwd)" # Maven takes a relative path as relative to the pom
LIBS="$JARS/libs-$KAFKA_VERSION"

JAVA="${JAVA_HOME:+$JAVA_HOME/bin/}java"
command -v "$JAVA" >/dev/null || { echo "Java 17 or later is needed, none was found" >&2; exit 3; }
major=$("$JAVA" -version 2>&1 | sed -En 's/.* version "([0-9]+).*/\1/p' | head -1)
[ "${major:-0}" -ge 17 ] || { echo "Java 17 or later is needed, found: ${major:-none}" >&2; exit 3; }

if [ ! -f "$LIBS/.done" ]; then
  command -v mvn >/dev/null || { echo "Maven (mvn) is needed to fetch Kafka" >&2; exit 3; }
  cat > "$JARS/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-dev</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_${SCALA}</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <!-- newer versions keep StorageTool in kafka-tools -->
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>${LOG4J_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>${LOG4J_VERSION}</version></dependency>
  </dependencies>
</project>
XML
  rm -rf "$LIBS"
  mvn -q -B -f "$JARS/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$LIBS"
  touch "$LIBS/.done"
fi
[ "${1:-}" = fetch ] && exit 0
CP="$LIBS/*"

cat > "$ROOT/log4j2.properties" <<'P'
status = error
appender.c.type = Console
appender.c.name = C
appender.c.layout.type = PatternLayout
appender.c.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.c.ref = C
P

cat > "$ROOT/server.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:${CONTROLLER_PORT}
listeners=PLAINTEXT://127.0.0.1:${PORT},CONTROLLER://127.0.0.1:${CONTROLLER_PORT}
advertised.listeners=PLAINTEXT://127.0.0.1:${PORT},CONTROLLER://127.0.0.1:${CONTROLLER_PORT}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=${DATA}
# one broker: every internal topic has one replica
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
default.replication.factor=1
min.insync.replicas=1
# Kairos creates every topic itself, with exact settings
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# a small machine
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=33554432
P

[ "${1:-}" = reset ] && rm -rf "$DATA"

# Format once. StorageTool is Scala in 4.0 and 4.1 (kafka.tools), Java in later versions (org.apache.kafka.tools).
LOGS="-Dlog4j2.configurationFile=file:$ROOT/log4j2.properties"
if [ ! -f "$DATA/meta.properties" ]; then
  tool=kafka.tools.StorageTool
  for jar in "$LIBS"/kafka-tools-*.jar; do
    python3 -c 'import sys, zipfile; sys.exit("org/apache/kafka/tools/StorageTool.class" not in zipfile.ZipFile(sys.argv[1]).namelist())' \
      "$jar" && tool=org.apache.kafka.tools.StorageTool
  done
  mkdir -p "$DATA"
  id=$("$JAVA" -Xmx256M "$LOGS" -cp "$CP" "$tool" random-uuid)
  "$JAVA" -Xmx256M "$LOGS" -cp "$CP" "$tool" format -t "$id" -c "$ROOT/server.properties" --standalone
fi

echo "Kafka $KAFKA_VERSION on 127.0.0.1:$PORT, data in $DATA" >&2
# shellcheck disable=SC2086 # the heap options are several words
exec "$JAVA" $HEAP -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
  -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true "$LOGS" -Dkafka.logs.dir="$ROOT" \
  -cp "$CP" kafka.Kafka "$ROOT/server.properties"
