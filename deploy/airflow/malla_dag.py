"""Runs a mesh from Airflow: its sources by domain, then its gold products, each after what it reads.

What there is to run is in a file that the host writes: `malla jobs --json > malla_jobs.json`. Write it again when a contract
changes; Airflow finds new jobs the next time it reads this file.
"""

from __future__ import annotations

import json
import os
import shlex
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TaskGroup

MALLA = os.environ.get("MALLA_BINARY", "malla")
CONFIG = os.environ.get("MALLA_CONFIG", "/etc/malla/malla.toml")
JOBS = Path(os.environ.get("MALLA_JOBS", Path(__file__).with_name("malla_jobs.json")))

# Exit codes of `malla run --once`: 0 done, 1 failed, 2 wrong usage, 3 another process is at it.
SKIPPED = 3

# Airflow has checked that these are dates: see `params`. With one of the two, malla says what is missing.
DAYS = "{% if params.from_day or params.to_day %} --from {{ params.from_day }} --to {{ params.to_day }}{% endif %}"


def command(job: dict) -> str:
    words = [MALLA, "run", "--config", CONFIG, "--once", "--product", job["job"]]
    return shlex.join(words) + (DAYS if job["backfill"] else "")


def task(job: dict) -> BashOperator:
    return BashOperator(
        task_id=job["job"].split(".", 1)[1],
        bash_command=command(job),
        skip_on_exit_code=SKIPPED,
        append_env=True,
    )


def day(title: str) -> Param:
    return Param(None, type=["null", "string"], format="date", title=title)


with DAG(
    dag_id="malla",
    description="Sources, then gold products in the order in which they read each other.",
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1),
    # A run takes all that the sources hold: one makes up for all that were missed.
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
        "execution_timeout": timedelta(hours=2),
        # A job that another process is at, or whose source failed, holds up no product: it is made of what is there.
        "trigger_rule": "all_done",
    },
    params={
        "from_day": day("Make gold products anew from this day on (backfill)"),
        "to_day": day("until and with this day"),
    },
    tags=["malla"],
) as dag:
    jobs = json.loads(JOBS.read_text())
    domains = sorted({job["job"].split(".", 1)[0] for job in jobs})
    tasks: dict[str, BashOperator] = {}
    for kind, group_of in [("source", "{}_sources"), ("product", "{}_gold")]:
        for domain in domains:
            here = [job for job in jobs if job["kind"] == kind and job["job"].startswith(f"{domain}.")]
            if not here:
                continue
            with TaskGroup(group_of.format(domain)):
                for job in here:
                    tasks[job["job"]] = task(job)
    for job in jobs:
        for read in job["reads"]:
            tasks[read] >> tasks[job["job"]]
    # With "all_done" above, the last tasks alone would not say that an earlier one failed.
    list(tasks.values()) >> EmptyOperator(task_id="none_failed", trigger_rule="none_failed")
