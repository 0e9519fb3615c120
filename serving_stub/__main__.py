"""`python -m serving_stub`: start the server or a gateway, load one (`traffic`), see what to expect (`roofline`), …

The server's parts are imported when it starts, so that the other commands stay light.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from serving_stub.config import CONTROL_TOKEN_ENV, ServerSettings, settings_from
from serving_stub.errors import ServingError
from serving_stub.fleet_api.command import fleet
from serving_stub.frontdoor.key_command import key
from serving_stub.frontdoor.prompt_command import prompts
from serving_stub.roofline.command import calibrate, roofline
from serving_stub.traffic.command import traffic

_WRONG_SETTING = 2


def _help(name: str) -> str:
    field = ServerSettings.model_fields[name]
    default = "" if field.default is None else f" [default: {field.default}]"
    return f"{field.description}{default}"


@click.group(invoke_without_command=True)
@click.option("--host", help=_help("host"))
@click.option("--port", type=int, help=_help("port"))
@click.option("--model", type=click.Choice(["smollm2", "tiny"]), help=_help("model"))
@click.option("--kernels", type=click.Choice(["auto", "off"]), help=_help("kernels"))
@click.option("--dtype", type=click.Choice(["bf16", "fp32"]), help=_help("dtype"))
@click.option("--quantization", type=click.Choice(["int8"]), help=_help("quantization"))
@click.option("--max-num-seqs", type=int, help=_help("max_num_seqs"))
@click.option("--max-num-batched-tokens", type=int, help=_help("max_num_batched_tokens"))
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help=_help("device"))
@click.option("--gpu-memory-utilization", type=float, help=_help("gpu_memory_utilization"))
@click.option("--num-blocks", type=int, help=_help("num_blocks"))
@click.option("--num-swap-blocks", type=int, help=_help("num_swap_blocks"))
@click.option("--roofline", help=_help("roofline"))
@click.option("--max-model-len", type=int, help=_help("max_model_len"))
@click.option("--num-threads", type=int, help=_help("num_threads"))
@click.option("--seed", type=int, help=_help("seed"))
@click.option(
    "--prefix-caching/--no-prefix-caching", "enable_prefix_caching", default=None, help=_help("enable_prefix_caching")
)
@click.option("--cache-dir", type=click.Path(path_type=Path), help=_help("cache_dir"))
@click.option("--journal", type=click.Path(path_type=Path), help=_help("journal"))
@click.option("--grace-s", type=float, help=_help("grace_s"))
@click.option("--max-body-bytes", type=int, help=_help("max_body_bytes"))
@click.option("--door", type=click.Path(path_type=Path), help=_help("door"))
@click.option("--tenants", type=click.Path(path_type=Path), help=_help("tenants"))
@click.option("--control-tokens", type=click.Path(path_type=Path), help=_help("control_tokens"))
@click.option("--upstream", help=_help("upstream"))
@click.pass_context
def main(context: click.Context, /, **flags: object) -> None:
    """Serve a model over OpenAI's API. The control API's token comes from SERVING_CONTROL_TOKEN."""
    if context.invoked_subcommand is not None:
        return
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("uvicorn", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        settings = settings_from(flags, os.environ)
        if settings.control_token is None:
            logging.getLogger(__name__).warning("%s is not set: the control API is off", CONTROL_TOKEN_ENV)
        _run(settings)
    except ServingError as error:
        _refuse(error)


def _run(settings: ServerSettings) -> None:
    if settings.upstream is not None:
        from serving_stub.api.gateway import run as run_gateway

        run_gateway(settings, click.echo)
        return
    from serving_stub.api.server import run
    from serving_stub.fetch_model import ModelFileMissing

    try:
        run(settings, click.echo)
    except ModelFileMissing as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    click.echo(f"serving_stub: {error}", err=True)
    sys.exit(_WRONG_SETTING)


for command in (traffic, calibrate, roofline, fleet, key, prompts):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m serving_stub")
