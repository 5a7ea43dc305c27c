"""Noise of modality dropout has the statistics of its source, and a record's noise depends on its place alone."""

import torch
from torch import nn

from pid_lvlm.extract.training.two_stage.dropout import ModalityDropout
from pid_lvlm.extract.training.two_stage.noise import SpanStatistics
from pid_lvlm.extract.training.two_stage.records.dropped import DROP_PICTURE, DROP_TEXT, NOT_DROPPED


def test_noise_has_the_statistics_of_its_source_and_touches_its_span_only():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(64, 40, 3, generator=generator) * torch.tensor([1.0, 2.0, 0.0]) + 5.0
    source = torch.arange(64) % 2
    embeddings[source == 1] += 10.0
    mask = torch.zeros(64, 40, dtype=torch.bool)
    mask[:, :30] = True
    statistics = SpanStatistics(2, 3)
    statistics.update(embeddings, mask, source)
    noisy = statistics.replace(embeddings, mask, source, torch.randn(64 * 30, 3, generator=generator))
    assert torch.equal(noisy[:, 30:], embeddings[:, 30:])
    for task in (0, 1):
        values = noisy[source == task][:, :30].reshape(-1, 3)
        torch.testing.assert_close(values.mean(0), torch.full((3,), 5.0 + 10.0 * task), atol=0.3, rtol=0)
        torch.testing.assert_close(values.std(0), torch.tensor([1.0, 2.0, 0.0]), atol=0.15, rtol=0)


class Echo(nn.Module):
    """A decoder that gives back what it is given."""

    def forward(self, inputs_embeds):
        return inputs_embeds


SPANS = torch.tensor([[DROP_PICTURE] * 3 + [DROP_TEXT] * 3 + [0]] * 4)
DROPPED = torch.tensor([NOT_DROPPED, DROP_PICTURE, DROP_TEXT, DROP_PICTURE])
PLACES = torch.tensor([10, 11, 12, 13])


def replaced(rows, seed=0):
    decoder = Echo()
    dropout = ModalityDropout(decoder, 2, seed, sources=2)
    embeddings = torch.arange(4 * 7 * 2, dtype=torch.float32).reshape(4, 7, 2)
    dropout.announce(SPANS, DROPPED, PLACES, torch.tensor([0, 1, 0, 1]))
    decoder(inputs_embeds=embeddings)  # statistics of all records
    with torch.no_grad():
        dropout.announce(SPANS[rows], DROPPED[rows], PLACES[rows], torch.tensor([0, 1, 0, 1])[rows])
        return embeddings[rows], decoder(inputs_embeds=embeddings[rows])


def test_exactly_the_dropped_spans_change():
    before, after = replaced([0, 1, 2, 3])
    changed = (before != after).any(-1)
    wanted = (DROPPED[:, None] == SPANS) & (DROPPED != NOT_DROPPED)[:, None]
    assert torch.equal(changed, wanted)


def test_a_records_noise_does_not_depend_on_its_neighbours():
    _, together = replaced([0, 1, 2, 3])
    for row in range(4):
        _, alone = replaced([row])
        assert torch.equal(alone[0], together[row])
    _, other = replaced([0, 1, 2, 3], seed=1)
    assert not torch.equal(other, together)
