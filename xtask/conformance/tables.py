"""Reads a demo's lake with deltalake and polars: counts add up, nothing personal is readable, tokens are stable."""

import csv
import io
import json
import pathlib
import re
import sys

import polars
from deltalake import DeltaTable

mesh = pathlib.Path(sys.argv[1])
DOMAINS = {"ventas": ["transacciones", "devoluciones"], "logistica": ["envios"], "producto": ["catalogo", "cambios"]}
PERSONAL = ("email", "tarjeta", "direccion", "comentario")


def events_of(source):
    """Every event of JSON Lines and every record of CSV, those that cannot be read as None."""
    for segment in source.rglob("*.jsonl"):
        for line in segment.read_bytes().split(b"\n")[:-1]:
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            yield event if isinstance(event, dict) else None
    for export in source.rglob("*.csv"):
        # Not UTF-8 is one kind of dirt. An empty line is a record too.
        text = export.read_bytes().decode(errors="replace")
        records = csv.reader(io.StringIO(text, newline=""))
        header = next(records)
        for record in records:
            yield dict(zip(header, record)) if len(record) == len(header) else None


def accounted(domain, name):
    """Every line of a source is in its product or in quarantine, and all that decode are in raw."""
    layers = {}
    for layer in ("raw", "curated", "quarantine"):
        table = DeltaTable(str(mesh / "lake" / domain / layer / name))
        layers[layer] = polars.from_arrow(table.to_pyarrow_table())
    count = sum(1 for _ in events_of(mesh / "sources" / domain / name))
    undecodable = layers["quarantine"].filter(polars.col("stage") == "undecodable").height
    assert layers["curated"].height + layers["quarantine"].height == count, (domain, name, count)
    assert layers["raw"].height + undecodable == count, (domain, name, count)
    print(f"{domain}.{name}: {count} events = {layers['curated'].height} curated + {layers['quarantine'].height} quarantined")
    return layers


for domain, names in DOMAINS.items():
    for name in names:
        layers = accounted(domain, name)
        hidden = {"envios": "direccion", "devoluciones": "comentario"}.get(name)
        if hidden:
            assert layers["curated"][hidden].null_count() == layers["curated"].height

lake = mesh / "lake" / "ventas"
table = {layer: DeltaTable(str(lake / layer / "transacciones")) for layer in ("raw", "curated", "quarantine")}
frame = {layer: polars.from_arrow(t.to_pyarrow_table()) for layer, t in table.items()}

secrets, emails = set(), {}
for event in events_of(mesh / "sources"):
    if event is None:
        continue
    secrets |= {event[name] for name in PERSONAL if isinstance(event.get(name), str)}
    if isinstance(event.get("email"), str):
        emails[event.get("transaccion_id")] = event["email"].strip().lower()

curated, raw, quarantine = (frame[layer] for layer in ("curated", "raw", "quarantine"))
assert curated["transaccion_id"].n_unique() == curated.height

needles = {secret.encode() for secret in secrets if len(secret) >= 6}
mail_lengths = {len(needle) for needle in needles if b"@" in needle}
card_lengths = {len(needle) for needle in needles if needle.isdigit()}
other = {}
for needle in needles:
    if b"@" not in needle and not needle.isdigit():
        other.setdefault(needle[:6], []).append(needle)
tails = {needle[needle.index(b"@"):] for needle in needles if b"@" in needle}


def search(name, data):
    """Looks for every needle: around each @, in each run of digits, and for the others wherever one may begin."""
    at = data.find(b"@")
    while at >= 0:
        for tail in tails:
            if data.startswith(tail, at):
                end = at + len(tail)
                for length in mail_lengths:
                    assert data[max(0, end - length):end] not in needles, f"an e-mail in {name}"
        at = data.find(b"@", at + 1)
    for run in re.finditer(rb"\d{12,}", data):
        digits = run.group()
        for start in range(len(digits)):
            for length in card_lengths:
                assert digits[start:start + length] not in needles, f"a card in {name}"
    for head, values in other.items():
        at = data.find(head)
        while at >= 0:
            for needle in values:
                assert not data.startswith(needle, at), f"a personal value in {name}"
            at = data.find(head, at + 1)


for file in (mesh / "lake").rglob("*"):
    if file.is_file():
        search(file, file.read_bytes())
for layer, rows in frame.items():
    for column in rows.columns:
        series = rows[column].drop_nulls()
        if series.dtype == polars.Binary:
            search(f"{layer}.{column}", b"\n".join(series.to_list()))
        elif series.dtype == polars.String:
            search(f"{layer}.{column}", "\n".join(series.to_list()).encode())

tokens = {}
for row in curated.select("transaccion_id", "email").drop_nulls().iter_rows():
    assert tokens.setdefault(emails[row[0]], row[1]) == row[1], "equal e-mails have different tokens"
assert len(set(tokens.values())) == len(tokens), "different e-mails have equal tokens"

for layer, t in table.items():
    protocol = t.protocol()
    assert not (protocol.reader_features or []), (layer, protocol)
    print(f"{layer:<11} version {t.version()}, {frame[layer].height} rows, {len(t.file_uris())} files")
print(f"{len(needles)} personal values, none readable")
