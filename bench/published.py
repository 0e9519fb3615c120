"""What others measured on known GPUs and models beside what the simulation makes of them: `bench/published.yaml`.

Every row goes through the real scheduler in virtual time, with a cluster's usual efficiency and the overhead that
`python -m serving_stub fleet` adds to each step; nothing is fitted to the rows. `python -m bench.published` takes a few
minutes, since it schedules millions of tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean

import click
from pydantic import BaseModel, ConfigDict

from bench.engine import print_table
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.cluster_spec import EFFICIENCY, ClusterSizes, size_cluster
from serving_stub.fleet.fleet_file import ClusterRow, Sizes
from serving_stub.roofline.catalogue import NumberFormat, load_catalogue
from serving_stub.sim.build import build_simulated
from serving_stub.sim.clock import VirtualClock
from serving_stub.sim.replay import replay
from serving_stub.yamlfile import Location, load

PATH = Path(__file__).with_name("published.yaml")
STEP_OVERHEAD_S = 0.002
TOKENS_A_STEP = 8192
WAVES = 3
"""Full batches, one after another, where a source kept the server full."""


class Figure(BaseModel):
    """One row of a source.

    Args:
        batch: requests at once; the largest batch where `is_kept_full`.
        is_kept_full: whoever ends is followed by another; else all begin and end together.
        tokens_per_s: of answers, on all GPUs; ttft_ms: to the first token; gap_ms: between tokens, the mean;
            whole_ms: from the start to the last token.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    gpu: str
    num_gpus: int
    model: str
    format: NumberFormat
    kv: NumberFormat
    batch: int
    prompt: int
    answer: int
    is_kept_full: bool = False
    tokens_per_s: float | None = None
    ttft_ms: float | None = None
    gap_ms: float | None = None
    whole_ms: float | None = None
    note: str | None = None

    @property
    def sizes(self) -> ClusterSizes:
        """The GPUs that served it, with the usual efficiency."""
        row = ClusterRow(
            name="one",
            region="one",
            gpu=self.gpu,
            num_gpus=self.num_gpus,
            model=self.model,
            weight_format=self.format,
            kv_format=self.kv,
            max_num_seqs=self.batch,
            max_num_batched_tokens=TOKENS_A_STEP,
            max_model_len=self.prompt + self.answer,
        )
        sized = size_cluster(row, Sizes(), load_catalogue())
        assert sized.sizes is not None, sized.problems
        return sized.sizes

    @property
    def num_requests(self) -> int:
        """As many as are simulated."""
        if not self.is_kept_full or self.batch == 1:
            return self.batch
        sizes = self.sizes
        blocks_each = -(-(self.prompt + self.answer) // sizes.block_size)
        return WAVES * min(self.batch, sizes.num_blocks // blocks_each)

    @property
    def name(self) -> str:
        """For a table and for a test."""
        return (
            f"{self.num_gpus} × {self.gpu}, {self.model} {self.format}, batch {self.batch}, {self.prompt}/{self.answer}"
        )


class Published(BaseModel):
    """The file: sources by key, and rows that name one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: dict[str, str]
    figures: tuple[Figure, ...]


def published() -> Published:
    """The shipped rows.

    Raises: FileError with the place of each problem.
    """
    return load(PATH, Published, _without_source)


def simulated(figure: Figure) -> dict[str, tuple[float, float]]:
    """What was published and what the simulation makes of it, by name."""
    clock = VirtualClock()
    engine, _ = build_simulated(figure.sizes, clock.now, clock.advance, fixed_s=STEP_OVERHEAD_S)
    one = Arrival(0.0, "US", "tenant", figure.model, figure.prompt, figure.answer)
    found = replay(engine, [one] * figure.num_requests, clock)
    gaps = [gap for outcome in found.outcomes if (gap := outcome.inter_token_s) is not None]
    ours = {
        "tokens/s": (figure.tokens_per_s, figure.num_requests * figure.answer / found.ended_s),
        "TTFT, ms": (figure.ttft_ms, 1e3 * (found.outcomes[0].ttft_s or 0.0)),
        "gap, ms": (figure.gap_ms, 1e3 * mean(gaps) if gaps else 0.0),
        "whole, ms": (figure.whole_ms, 1e3 * found.ended_s),
    }
    return {name: (theirs, mine) for name, (theirs, mine) in ours.items() if theirs is not None}


def _without_source(whole: Published) -> Iterable[tuple[Location, str]]:
    for number, figure in enumerate(whole.figures):
        if figure.source not in whole.sources:
            yield ("figures", number, "source"), f"source: unknown source '{figure.source}'"


def _rows(figures: Iterable[Figure]) -> Iterator[list[str]]:
    for figure in figures:
        for name, (theirs, mine) in simulated(figure).items():
            yield [figure.source, figure.name, name, f"{theirs:,.0f}", f"{mine:,.0f}", f"{mine / theirs:.2f}"]


@click.command()
def main() -> None:
    """Print every row and its ratio."""
    whole = published()
    print(f"each GPU at {EFFICIENCY:g} of its data sheet, {STEP_OVERHEAD_S * 1e3:g} ms a step beside, nothing fitted")
    header = ["source", "GPUs, model, batch, prompt/answer", "", "published", "simulated", "simulated / published"]
    print_table(header, list(_rows(whole.figures)))
    print()
    for key, source in whole.sources.items():
        print(f"{key}: {source}")


if __name__ == "__main__":
    main()
