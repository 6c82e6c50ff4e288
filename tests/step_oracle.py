"""One learning step in plain integers, transcribed line by line from firmware/SPEC.md section 3: slow and obvious.

It shares no arithmetic with sdfa.twin; only the records are decoded by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sdfa.image.reader import Image
from sdfa.twin.layers import Layer, decode

M32 = 0xFFFFFFFF
COUNTERS = (
    "steps", "correct", "loss", "weights_nonzero", "weights_updated", "moved", "saturated_weights",
    "saturated_activations", "saturated_logits",
)  # fmt: skip


def clamp(x: int, low: int, high: int) -> int:
    return max(low, min(x, high))


def i32(x: int) -> int:
    x &= M32
    return x - (1 << 32) if x >> 31 else x


def srdhm(a: int, b: int) -> int:
    return min((a * b + (1 << 30)) >> 31, (1 << 31) - 1)


def rdbpot(x: int, n: int) -> int:
    mask = (1 << n) - 1
    return (x >> n) + ((x & mask) > (mask >> 1) + (x < 0))


def mbqm(x: int, m: int, s: int) -> int:
    return rdbpot(srdhm(i32(x << max(s, 0)), m), max(-s, 0))


def pow2(f: int) -> int:
    return 65536 + ((f * (-45425 + ((f * (15704 + ((f * (-3494 + ((f * 449) >> 12))) >> 12))) >> 12))) >> 12)


def sat16(x: int) -> int:
    return clamp(x, -32767, 32767)


@dataclass
class Step:
    """A device: weights[l][i][j], fractions of master weights, biases[l][i], the generator's state and the counters."""

    image: Image
    layers: tuple[Layer, ...] = ()
    weights: list[list[list[int]]] = field(default_factory=list)
    fractions: list[list[list[int]] | None] = field(default_factory=list)
    biases: list[list[int]] = field(default_factory=list)
    random: int = 0
    stats: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))

    def __post_init__(self) -> None:
        self.learning = decode(self.image)
        self.layers = self.learning.layers
        self.weights = [layer.weights(self.image.tail).tolist() for layer in self.layers]
        fractions = (layer.fractions(self.image.tail) for layer in self.layers)
        self.fractions = [None if f is None else f.tolist() for f in fractions]
        self.biases = [layer.bias(self.image.tail).tolist() for layer in self.layers]
        self.random = self.learning.seed

    def next(self) -> int:
        self.random = (self.random * 747796405 + 2891336453) & M32
        return self.random ^ (self.random >> 16)

    # --- section 2 ---

    def forward(self, q: list[int]) -> tuple[list[list[int]], list[int]]:
        """Tensors from the tail's input to its output, and the last accumulators."""
        tensors, acc = [q], [0]
        for n, layer in enumerate(self.layers):
            op = self.image.ops[layer.place][1]
            mult = self.image.constant(int(op["mult"]), "<i4", layer.out_n).tolist()
            shift = self.image.constant(int(op["shift"]), "i1", layer.out_n).tolist()
            z_out = int(self.image.tensors[int(op["out"])]["zero_point"])
            rows = zip(self.weights[n], self.biases[n], strict=True)
            a = [v - layer.z_in for v in q]
            acc = [i32(b + sum(w * x for w, x in zip(row, a, strict=True))) for row, b in rows]
            q = [
                clamp(i32(mbqm(a, m, s) + z_out), layer.act_min, layer.act_max)
                for a, m, s in zip(acc, mult, shift, strict=True)
            ]
            tensors.append(q)
        return tensors, acc

    # --- section 3 ---

    def logits(self, acc: list[int]) -> list[int]:
        z = []
        for a, m, s in zip(acc, self.learning.zmult.tolist(), self.learning.zshift.tolist(), strict=True):
            if s > 0:
                a = clamp(a, -(1 << (31 - s)), (1 << (31 - s)) - 1)
            z.append(mbqm(a, m, s))
        return z

    def cross_entropy(self, z: list[int], y: int, tau: int) -> list[int]:
        t = [(max(z) - v) & M32 for v in z]
        big = [0 if v >> 12 > 16 else min(pow2(v & 4095) >> (v >> 12), 65535) for v in t]
        s = sum(big)
        m = next(m for m in range(32) if s >> m < 1 << 17)
        r = M32 // (s >> m)
        p = [((v * r) & M32) >> (17 + m) for v in big]
        e = [v if v >= tau else 0 for v in p]
        e[y] = 0
        e[y] = -min(sum(e), 32767)
        n = s.bit_length() - 1
        f = (s >> (n - 12)) - 4096
        log = 4096 * n + f + ((((f * (4096 - f)) >> 12) * 1408) >> 12)
        self.stats["loss"] += max(0, max(z) - z[y] + log - 65536)
        self.stats["correct"] += z.index(max(z)) == y
        return e

    def squared(self, z: list[int], target: list[int], tau: int) -> list[int]:
        e = [sat16(clamp(v, -(1 << 20), 1 << 20) - t) for v, t in zip(z, target, strict=True)]
        self.stats["loss"] += sum(v * v for v in e) >> 15
        return [0 if abs(v) < tau else v for v in e]

    def deltas(self, tensors: list[list[int]], e: list[int]) -> list[list[int]]:
        found = [e]
        for n in range(len(self.layers) - 2, -1, -1):
            layer, d = self.layers[n], []
            for i, q in enumerate(tensors[n + 1]):
                if not layer.act_min < q < layer.act_max:
                    d.append(0)
                elif layer.index is not None and layer.coef is not None:
                    pairs = zip(layer.coef[i].tolist(), layer.index[i].tolist(), strict=True)
                    d.append(sat16((sum(b * e[c] for b, c in pairs) + 128) >> 8))
                elif layer.live is not None:
                    d.append(self.heard(i, e, layer.live.k, layer.live.centred))
                else:
                    d.append(self.transport(n + 1, i, found[0]))
            found.insert(0, d)
        return found

    def transport(self, n: int, i: int, d: list[int]) -> int:
        sigma = self.layers[n].sigma
        assert sigma is not None
        t = [(v * s + (1 << 14)) >> 15 for v, s in zip(d, sigma.tolist(), strict=True)]
        return sat16((i32(sum(row[i] * v for row, v in zip(self.weights[n], t, strict=True)) + 128)) >> 8)

    def heard(self, i: int, e: list[int], k: int, centred: bool) -> int:
        sigma = self.layers[-1].sigma
        assert sigma is not None
        v = {c: (self.weights[-1][c][i] * int(sigma[c]) + (1 << 11)) >> 12 for c in range(len(e)) if e[c]}
        m = (sum(v.values()) * (65536 // len(v)) + (1 << 15)) >> 16 if centred and len(v) > k else 0
        strongest = sorted(v, key=lambda c: (-abs(v[c] - m), c))[:k]
        return sat16((sum((v[c] - m) * e[c] for c in strongest) + (1 << 10)) >> 11)

    def learn(self, x: list[int], label: int | list[int], rate_q24: int, tau: int) -> None:
        tensors, acc = self.forward(x)
        z = self.logits(acc)
        e = self.cross_entropy(z, label, tau) if isinstance(label, int) else self.squared(z, label, tau)
        self.stats["steps"] += 1
        self.stats["saturated_logits"] += sum(q in (-128, 127) for q in tensors[-1])
        if not any(e):
            return
        for n, layer in enumerate(self.layers[:-1]):
            self.stats["saturated_activations"] += tensors[n + 1].count(layer.act_max)
        d = self.deltas(tensors, e)
        for n in range(len(self.layers) - 1, -1, -1):
            self.update(n, d[n], tensors[n], rate_q24)

    def update(self, n: int, d: list[int], q: list[int], rate_q24: int) -> None:
        layer = self.layers[n]
        eta, eta_exp = rate_q24, -24
        while eta < 32768:
            eta, eta_exp = eta << 1, eta_exp - 1
        while eta > 65535:
            eta, eta_exp = eta >> 1, eta_exp + 1
        for i, di in enumerate(d):
            self.stats["weights_nonzero"] += layer.in_n if di else 0
            mant = int(layer.mant[i])
            s = -(33 + eta_exp + int(layer.exp[i]) + layer.delta_exp)
            if di == 0 or mant == 0 or s > 30:
                continue
            value, t = di * ((eta * mant) >> 17), s if self.fractions[n] else s + 4
            if t > 30:
                value, t = (value + (self.next() >> (62 - t))) >> (t - 30), 30
            g = ((self.next() >> (32 - t)) - value) >> t
            if self.fractions[n] is None:
                g = clamp(g, -4095, 4095)
            if g:
                self.stats["weights_updated"] += layer.in_n
                self.row(n, i, g, [v - layer.z_in for v in q])

    def row(self, n: int, i: int, g: int, a: list[int]) -> None:
        layer, w, fractions = self.layers[n], self.weights[n][i], self.fractions[n]
        r_b, sb = self.next(), 16 - layer.bias_exp
        unit = g if fractions is not None else 16 * g
        db = (unit * layer.bias_mant + ((r_b << sb) >> 32 if sb <= 32 else r_b << (sb - 32))) >> sb
        if fractions is None:
            words = [r_b]
            for start in range(0, layer.in_n, 64):
                to_go = abs(g)
                while to_go:
                    y = words.pop() if words else self.next()
                    part = min(to_go, 240)
                    self.some(w, a, range(start, min(start + 64, layer.in_n)), part if g > 0 else -part, y)
                    to_go -= part
        else:
            for j in range(layer.in_n):
                if j % 4 == 0:
                    y = self.next()
                self.master(w, fractions[i], j, (g * a[j] + ((y >> 8 * (j % 4)) & 0xFF)) >> 8)
        wanted = self.biases[n][i] + db
        self.biases[n][i] = clamp(wanted, -(1 << 30), 1 << 30)
        self.stats["saturated_weights"] += self.biases[n][i] != wanted

    def some(self, w: list[int], a: list[int], which: range, part: int, y: int) -> None:
        """Up to 64 weights by a part of the step."""
        left = [y & 0xFFF, (y >> 4) & 0xFFF, (y >> 16) & 0xFFF, y >> 20]
        for j in which:
            total = abs(part) * a[j] + left[j % 4]
            dw, left[j % 4] = (1 if part > 0 else -1) * (total >> 12), total & 0xFFF
            if dw:
                new = clamp(w[j] + dw, -127, 127)
                self.stats["saturated_weights"] += new != w[j] + dw
                self.stats["moved"] += abs(new - w[j])
                w[j] = new

    def master(self, w: list[int], fractions: list[int], j: int, change: int) -> None:
        """Master weight j moves."""
        if change == 0:
            return
        wanted, old = 256 * w[j] + fractions[j] + change, w[j]
        new = clamp(wanted, -32640, 32639)
        self.stats["saturated_weights"] += new != wanted
        w[j] = (new + 128) >> 8
        fractions[j] = new - 256 * w[j]
        self.stats["moved"] += abs(w[j] - old)
