"""What makes a run repeatable: seeds, directories, manifests, atomic files, devices."""

from rpstn.runs.directory import RunDirectory, describe_device, manifest, seed_everything
from rpstn.runs.files import read_json, write_json

__all__ = ["RunDirectory", "describe_device", "manifest", "read_json", "seed_everything", "write_json"]
