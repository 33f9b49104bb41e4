"""What the tests of training share."""

import pytest
import torch

from rpstn.train import train


@pytest.fixture
def interrupt(monkeypatch):
    """Train until the optimizer is about to take step `at`, the first being 1, and stop as Ctrl-C does."""

    def run(config, at):
        learn, taken = torch.optim.AdamW.step, []

        def interrupted(*arguments, **more):
            taken.append(1)
            if len(taken) == at:
                raise KeyboardInterrupt
            return learn(*arguments, **more)

        with monkeypatch.context() as patch:
            patch.setattr(torch.optim.AdamW, "step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                train(config, progress=False)

    return run
