"""The number of threads follows what the cores are busy with."""

import os

import pytest
import torch

import vaelib
from vaelib import threads
from vaelib.threads import Threads


class Machine:
    """Steps take as long as a rule says for a number of threads; time is added up."""

    def __init__(self, most: int):
        self.now, self.clock, self.used = most, 0.0, []
        self.threads = Threads(most, self.use)

    def use(self, number: int) -> None:
        self.now = number

    def run(self, steps: int, seconds) -> float:
        start = self.clock
        for _ in range(steps):
            took = seconds[self.now]
            self.clock += took
            self.used.append(self.now)
            self.threads.took(took)
        return self.clock - start


IDLE = {1: 0.008, 2: 0.005}
BUSY = {1: 0.008, 2: 0.080}


def test_idle_cores_are_all_used_at_hardly_any_cost():
    machine = Machine(2)
    spent = machine.run(2000, IDLE)
    assert machine.now == 2
    assert spent < 1.01 * 2000 * IDLE[2]


def test_beside_other_work_one_thread_is_found_soon_and_left_again():
    machine = Machine(2)
    spent = machine.run(1000, BUSY)
    assert machine.now == 1
    assert spent < 1.25 * 1000 * BUSY[1]  # not ten times
    machine.run(3000, IDLE)
    assert machine.now == 2
    spent = machine.run(1000, BUSY)
    assert machine.now == 1
    assert spent < 1.6 * 1000 * BUSY[1]


def test_many_cores_are_given_up_by_halves():
    cost = {16: 0.09, 8: 0.04, 4: 0.006, 2: 0.007, 1: 0.012}
    machine = Machine(16)
    machine.run(3000, cost)
    assert machine.now == 4


def test_long_steps_are_left_alone():
    machine = Machine(2)
    machine.run(100, {1: 0.1, 2: 0.5})
    assert set(machine.used) == {2}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has nothing to steer")
def test_training_is_steered_and_comes_out_the_same(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "FIRST", 0.0)
    monkeypatch.setattr(threads, "LAST", 0.0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    used = []

    def use(number):
        used.append(number)
        torch.set_num_threads(number)

    def trained():
        torch.manual_seed(0)
        vae = vaelib.VAE.mlp((1, 8, 8), hidden=(32,), latent_dim=4)
        x = torch.rand(1000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        vaelib.fit(vae, x, epochs=5, batch_size=20, progress=False)
        return torch.cat([w.detach().flatten() for w in vae.parameters()])

    try:
        monkeypatch.setattr(Threads.__init__, "__defaults__", (use,))
        weights = trained()
        assert 1 in used and torch.get_num_threads() == 2
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        used.clear()
        torch.testing.assert_close(trained(), weights, rtol=1e-5, atol=1e-6)
        assert used == []  # somebody has chosen
    finally:
        torch.set_num_threads(before)
