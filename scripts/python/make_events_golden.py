"""A TensorBoard event file as TensorBoard's own writer makes it, for the test of ours.

    python make_events_golden.py ../../crates/faculty-experiment/tests/it/snapshots

Needs PyPI `tensorboard`. Writes events.json: the events, and the bytes of the file in hexadecimal. `EventsWriter` itself stamps
the first event with the clock, so the file is put together from its record writer and its messages.
"""

import io
import json
import sys
from pathlib import Path

import tensorboard
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class Kept(io.BytesIO):
    def close(self) -> None:
        pass


def main() -> None:
    events = [
        {"step": 0, "wall_time": 1700000000.25, "values": [["train/loss", 2.3025851]]},
        {"step": 10, "wall_time": 1700000001.5, "values": [["train/loss", 0.5], ["train/lr", 0.00002]]},
        {"step": 300000, "wall_time": 1700000002.0, "values": [["eval/accuracy", 0.873], ["größe/ß", -1.5e-7]]},
    ]
    begun = 1700000000.0
    kept = Kept()
    writer = RecordWriter(kept)
    writer.write(Event(wall_time=begun, file_version="brain.Event:2").SerializeToString())
    for event in events:
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in event["values"]]
        message = Event(wall_time=event["wall_time"], step=event["step"], summary=Summary(value=values))
        writer.write(message.SerializeToString())
    writer.flush()
    golden = {"tensorboard": tensorboard.__version__, "begun": begun, "events": events, "file": kept.getvalue().hex()}
    rows = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in golden.items()]
    (Path(sys.argv[1]) / "events.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
