"""What an all-reduce costs on a machine, by closed forms, and which form of it is the fastest.

Cycles from the first token of a message in the first unit of the collective to the last of the result in every socket's
scratchpad. n sockets; C copies share the links of a socket; a copy has N tokens, of p packets as they come, s where
something is added, r at the end; sigma cycles a packet and link; a flight is the way of a token from a sender into the
next unit: the AGCU, the token's service, the link's latency, a hop.

    direct  max(stream, links)
            stream = max(p, r) max(N, sigma N C / n) + 2 flights + the sum of n tokens + two pipelines + the scratchpad
            links  = (p + r) sigma ceil(N C / n) + (3 - 2 u) flights,   u = min(1, C sigma / n), where u > 1/2
            in rounds (`dsl.rounds`) both + 3 n max(p, r) + two scratchpads
    ring    max(stream, links)
            stream = N max(s, r, s sigma C) + 2 (n - 1) flights, each with a pipeline behind it + the ends
            links  = (s + r) sigma N C + (n - 2) such flights + the ends;   p + r or s for n = 3, p or r for n = 2

`links`: both phases pass each link (in the ring all but two), so it is busy for their packets. The second phase reaches a
link D after the first, one flight about; until then the first alone passes, and fills the share u of the link; after that
both pass by turns, the first until D + 2 (W - u D) with W cycles of service each, and the last result needs D to come to
its link and D to pass. In the ring the second phase begins n flights late and the first fills the link at once.
Left out: the wires on the sockets, which depend on the placement (a hop stands for each way from a port).
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from rdflow.dsl.collectives import Choose, Form, Message
from rdflow.dsl.rounds import in_rounds
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.sockets import cycles_per_packet


def direct_cycles(message: Message, machine: Machine) -> int:
    """Cycles of the direct form, as above."""
    sigma = cycles_per_packet(machine)
    n, packets = message.sockets, max(message.partial, message.result)
    flight = _flight(packets, machine)
    rounds = 3 * n * packets + 2 * (machine.pmu.write_latency + machine.pmu.read_latency) if in_rounds(message) else 0
    ends = n * message.partial + 2 * machine.pcu.stages + machine.pmu.write_latency + rounds
    service = sigma * ceil(Fraction(message.tokens * message.copies, n))
    stream = max(Fraction(message.tokens), service) * packets + 2 * flight + ends
    filled = min(Fraction(1), message.copies * sigma / n)
    if filled <= Fraction(1, 2):
        return ceil(stream)
    busy = (message.partial + message.result) * service
    return ceil(max(stream, busy + (3 - 2 * filled) * flight + machine.pcu.stages + rounds))


def ring_cycles(message: Message, machine: Machine) -> int:
    """Cycles of the ring, as above."""
    sigma = cycles_per_packet(machine)
    n, packets = message.sockets, max(message.between, message.result)
    flight = _flight(packets, machine) + machine.pcu.stages
    stream = message.tokens * packets * max(Fraction(1), sigma * message.copies) + 2 * (n - 1) * flight
    busy = _on_a_link(message) * sigma * message.tokens * message.copies
    ends = machine.pcu.stages + machine.pmu.write_latency
    return ceil(max(stream, busy + (n - 2) * flight) + ends)


def _on_a_link(message: Message) -> int:
    """Packets of a token on the busiest link of a ring: phase one ends at the last socket, phase two at the one before."""
    if message.sockets == 2:
        return max(message.partial, message.result)
    if message.sockets == 3:
        return max(message.partial + message.result, message.between)
    return message.between + message.result


def _flight(packets: int, machine: Machine) -> int:
    latency = machine.agcu.latency + machine.cycles(machine.links.latency) + machine.network.hop
    return latency + ceil(packets * cycles_per_packet(machine))


def chosen(machine: Machine, form: Form | None = None) -> Choose:
    """How the sums over sockets of a kernel are made: as `form` says, else in the form that costs least."""

    def cheapest(message: Message) -> Form:
        return "direct" if direct_cycles(message, machine) <= ring_cycles(message, machine) else "ring"

    return cheapest if form is None else lambda message: form
