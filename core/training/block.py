"""One layer of an encoder built like BERT, on tokens without padding, with its derivative written out.

The same numbers as transformers' own layer, to rounding. Written out, a step needs a third of the operations that
automatic differentiation would record, and each weight is cast to the number format of the multiplications once.
Knows tensors; does not know models, texts or tokenizers.

Formulas: A. Vaswani et al. (2017), J. Devlin et al. (2019); norm after each part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

_ROUND = 16  # rows of a product that a CPU computes at full speed


@dataclass(frozen=True)
class Form:
    """Where the t tokens of n texts stand: packed, one behind the other, and as blocks (n, H, T) of attention.

    Packed rows are filled up to s > t with rows that stand for nothing: nobody reads them and their gradient is
    zero. The first of them is what a place of a block points at where a text has ended.
    """

    texts: int  # n
    tokens: int  # t
    rows: int  # s
    width: int  # T
    heads: int  # H
    owner: Any  # (t,) the text of each token
    first: Any  # (n,) the first token of each text
    lengths: Any  # (n, 1) float32
    into: Any  # (3 n H T,) where query, key and value of a block's place are among the (s, 3, H) packed ones
    reading: Any  # (n H T,) the same for one of the three, among (s, H)
    back: Any  # (s H,) the place in the blocks of each packed row and head
    onto: Any  # (3 s H,) the same for queries, keys and values
    mask: Any  # (n, 1, T, 1) float32: 0, or minus infinity (as far as arithmetic goes) behind a text; None: no such

    @staticmethod
    def of(lengths: np.ndarray[Any, Any], heads: int) -> Form:
        """From the tokens of each text, (n,)."""
        n, t, width = len(lengths), int(lengths.sum()), int(lengths.max())
        rows = (t // _ROUND + 1) * _ROUND
        owner = np.repeat(np.arange(n), lengths)
        first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        places, head = np.arange(width), np.arange(heads)
        inside = places[None, :] < lengths[:, None]
        row = np.where(inside, first[:, None] + places[None, :], t)  # (n, T)
        reading = row[:, None, :] * heads + head[None, :, None]  # (n, H, T)
        three = np.arange(3)[:, None, None, None]
        into = (row[None, :, None, :] * 3 + three) * heads + head[None, None, :, None]
        place = np.zeros((rows, heads), dtype=np.int64)
        place[:t] = (owner[:, None] * heads + head[None, :]) * width + (np.arange(t) - first[owner])[:, None]
        onto = place[:, None, :] + np.arange(3)[None, :, None] * (n * heads * width)
        mask = None if inside.all() else np.where(inside, 0.0, -1e9).astype(np.float32)[:, None, :, None]
        return Form(
            n,
            t,
            rows,
            width,
            heads,
            torch.from_numpy(owner),
            torch.from_numpy(first),
            torch.from_numpy(lengths.astype(np.float32)).unsqueeze(1),
            torch.from_numpy(into.reshape(-1)),
            torch.from_numpy(reading.reshape(-1)),
            torch.from_numpy(place.reshape(-1)),
            torch.from_numpy(onto.reshape(-1)),
            None if mask is None else torch.from_numpy(mask),
        )


class Block(torch.autograd.Function):
    """(s, D) float32 states to (s, D) float32 states.

    `dtype`: of the products. `noise`: what the outputs of attention and of the feed-forward part are multiplied by,
    (s, D) float32 each, or None. `activation`: "gelu" or "relu". `parameters`: weight and bias of query, key, value,
    attention's output, norm, feed-forward in, out, norm, in this order.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Any,
        form: Form,
        dtype: Any,
        noise: tuple[Any, Any] | None,
        activation: str,
        epsilon: float,
        *parameters: Any,
    ) -> Any:
        wq, bq, wk, bk, wv, bv, wo, bo, g1, b1, wi, bi, wf, bf, g2, b2 = parameters
        width, n_blocks = x.shape[1], form.texts * form.heads
        each = width // form.heads
        xb = x.to(dtype)
        w_in, wo, wi, wf = (
            torch.cat([wq, wk, wv]).to(dtype),
            wo.to(dtype),
            wi.to(dtype),
            wf.to(dtype),
        )
        packed = functional.linear(xb, w_in, torch.cat([bq, bk, bv]).to(dtype))
        blocks = packed.view(-1, each).index_select(0, form.into).view(3, n_blocks, form.width, each)
        query, key, value = blocks.unbind(0)
        scores = torch.bmm(key, query.transpose(1, 2)).float().mul_(each**-0.5)  # a column per query
        if form.mask is not None:
            scores.view(form.texts, form.heads, form.width, form.width).add_(form.mask)
        shares = torch.softmax(
            scores, 1
        )  # along columns, which a CPU does several times faster for short texts
        shares_b = shares.to(dtype)
        read = (
            torch.bmm(shares_b.transpose(1, 2), value)
            .view(-1, each)
            .index_select(0, form.back)
            .view(-1, width)
        )
        one = functional.linear(read, wo, bo.to(dtype)).float()
        one = torch.add(x, one) if noise is None else torch.addcmul(x, one, noise[0])
        middle, mean1, spread1 = torch.native_layer_norm(one, [width], g1, b1, epsilon)
        mb = middle.to(dtype)
        wide = functional.linear(mb, wi, bi.to(dtype))
        active = functional.gelu(wide) if activation == "gelu" else functional.relu(wide)
        two = functional.linear(active, wf, bf.to(dtype)).float()
        two = torch.add(middle, two) if noise is None else torch.addcmul(middle, two, noise[1])
        out, mean2, spread2 = torch.native_layer_norm(two, [width], g2, b2, epsilon)
        ctx.form, ctx.dtype, ctx.noise, ctx.activation = form, dtype, noise, activation
        ctx.save_for_backward(
            xb, w_in, wo, wi, wf, g1, b1, g2, b2, blocks, shares, shares_b, read, one, mean1, spread1, mb, wide,
            active, two, mean2, spread2,
        )  # fmt: skip
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        form, dtype, noise = ctx.form, ctx.dtype, ctx.noise
        (
            xb, w_in, wo, wi, wf, g1, b1, g2, b2, blocks, shares, shares_b, read, one, mean1, spread1, mb, wide,
            active, two, mean2, spread2,
        ) = ctx.saved_tensors  # fmt: skip
        width = xb.shape[1]
        each = width // form.heads
        all_three = [True, True, True]

        d_two, d_g2, d_b2 = torch.ops.aten.native_layer_norm_backward(
            gradients[0].contiguous(), two, [width], mean2, spread2, g2, b2, all_three
        )
        d_narrow = (d_two if noise is None else d_two * noise[1]).to(dtype)
        d_wf, d_bf = d_narrow.t() @ active, _column_sums(d_narrow)
        d_active = d_narrow @ wf
        if ctx.activation == "gelu":
            d_wide = torch.ops.aten.gelu_backward(d_active, wide)
        else:
            d_wide = d_active.masked_fill_(wide <= 0, 0.0)
        d_wi, d_bi = d_wide.t() @ mb, _column_sums(d_wide)
        d_middle = d_two.add_((d_wide @ wi).float())

        d_one, d_g1, d_b1 = torch.ops.aten.native_layer_norm_backward(
            d_middle, one, [width], mean1, spread1, g1, b1, all_three
        )
        d_joined = (d_one if noise is None else d_one * noise[0]).to(dtype)
        d_wo, d_bo = d_joined.t() @ read, _column_sums(d_joined)
        d_read = (d_joined @ wo).view(-1, each).index_select(0, form.reading)
        d_read = d_read.view(-1, form.width, each)
        query, key, value = blocks.unbind(0)
        d_shares = torch.bmm(value, d_read.transpose(1, 2)).float()
        d_scores = torch._softmax_backward_data(d_shares, shares, 1, torch.float32)
        d_scores = d_scores.mul_(each**-0.5).to(dtype)
        d_blocks = torch.empty_like(blocks)
        torch.bmm(d_scores.transpose(1, 2), key, out=d_blocks[0])
        torch.bmm(d_scores, query, out=d_blocks[1])
        torch.bmm(shares_b, d_read, out=d_blocks[2])
        d_packed = d_blocks.view(-1, each).index_select(0, form.onto).view(form.rows, 3 * width)
        d_packed[form.tokens :].zero_()
        d_w, d_b = d_packed.t() @ xb, _column_sums(d_packed)
        d_x = d_one.add_((d_packed @ w_in).float()) if ctx.needs_input_grad[0] else None

        weights = [d_w[i * width : (i + 1) * width].float() for i in range(3)]
        biases = [d_b[i * width : (i + 1) * width].clone() for i in range(3)]
        return (
            d_x, None, None, None, None, None, weights[0], biases[0], weights[1], biases[1], weights[2], biases[2],
            d_wo.float(), d_bo, d_g1, d_b1, d_wi.float(), d_bi, d_wf.float(), d_bf, d_g2, d_b2,
        )  # fmt: skip


def _column_sums(x: Any) -> Any:
    return x.sum(0).float()  # torch adds up in fp32, whatever it returns
