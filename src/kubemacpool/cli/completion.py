"""`kubemacpool completion`: what a shell needs to complete commands, flags and names."""

from typing import Annotated, Literal

import typer

from kubemacpool.cli.help import COMPLETE, GroupedCommand, command_app

app = command_app()

EXAMPLES = """\
Examples:
  source <(kubemacpool completion bash)   # in ~/.bashrc
  source <(kubemacpool completion zsh)    # in ~/.zshrc, after compinit
  kubemacpool completion fish | source    # in ~/.config/fish/config.fish
"""


@app.command(cls=GroupedCommand, epilog=EXAMPLES)
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="For which shell.")],
) -> None:
    """Print what a shell needs to complete commands, flags, namespaces and kinds."""
    from typer._completion_shared import get_completion_script

    typer.echo(get_completion_script(prog_name="kubemacpool", complete_var=COMPLETE, shell=shell))
