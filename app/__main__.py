"""The command line, `kairos` (also `python -m app`): one short file per command in app/commands, imported only when it is called."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

import click

from app import __version__
from app.settings import BadSetting

COMMANDS = {
    "demo": "A whole Kairos on an embedded broker plays a shop's day, and the 7 days after it.",
    "dev": "A whole Kairos on one machine, until Ctrl-C.",
    "worker": "One worker of the cluster.",
    "topics": "Create, check or show every topic with its exact settings.",
    "kafka": "A real Apache Kafka on this machine, for development and tests.",
    "simulate": "What would be sent for a file of events, and why.",
    "policy": "Check, compare, draw, publish and take back policy packs.",
    "copy": "Texts of messages from a model or a person: drafted, reviewed, approved by name.",
    "templates": "Proofread every message of a pack for people of every kind; a gallery of them.",
    "explain": "The walk of an event; or why a person was or was not sent what.",
    "decisions": "What was decided, found by person, trigger, reason and time: every non-send, too.",
    "digest": "A week: what was held back, by which gate, what it cost; how many messages people bear.",
    "preview": "The exact message a person would get of a trigger, as of any time.",
    "people": "Load people in bulk; part an identifier from the person it was linked to.",
    "catalog": "Load a shop's products: a table, JSON Lines, a Google product feed.",
    "audit": "What is known of people, audited: decay, gaps, contradictions, one person as two.",
    "train": "Learn from what people did: personas, recommendations.",
    "export": "What Kairos works out, for other systems: recommendations of everybody.",
    "budgets": "What campaigns may give away, and what they have.",
    "offer": "Whether a code is one of ours, and what became of it.",
    "population": "How everybody compares: figures, tiers and their cuts, sizes of segments, who went where.",
    "replay": "Feed dead letters again, after a mend.",
    "bench": "The figures of the performance goal, on this machine.",
    "doctor": "Check the machine, broker, topics, packs and settings; say what to mend.",
    "schemas": "Write or check the JSON Schemas of every record, and the AsyncAPI document.",
}
"""Name → what `kairos --help` says. The object of the same name stands in `app/commands/NAME.py`."""


class _Commands(click.Group):
    """Commands by name; a command's module is imported when it is called, so that `kairos --help` needs no Kafka client."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"app.commands.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False, invoke_without_command=True)
@click.version_option(__version__, prog_name="kairos")
@click.pass_context
def kairos(ctx: click.Context) -> None:
    """Kairos: behaviour-triggered messages on your own Kafka."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and exits with its code: 0 done, 1 no, 2 wrong use or unreadable input, 3 the infrastructure failed."""
    try:
        code = kairos.main(args=arguments, prog_name="kairos", standalone_mode=False)
        sys.stdout.flush()
    except (click.UsageError, click.FileError, BadSetting) as error:
        code = _say(error.format_message() if isinstance(error, click.ClickException) else str(error), 2)
    except click.ClickException as error:
        code = _say(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        code = _say("stopped", 130)
    except BrokenPipeError:
        # The reader of our output has seen enough; without this the interpreter complains once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception:
        # A defect of ours: the traceback is what we need to mend it, and it must not look like the answer "no".
        traceback.print_exc()
        code = 3
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str, code: int) -> int:
    from app.edges.timeline import printable  # here, so that help stays quick

    print("kairos: " + printable(" ".join(message.split())), file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
