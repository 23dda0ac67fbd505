"""The float32 model is the one that a PyTorch user would write.

Weights and data are carried over from dump_training.cpp to the plain models below; loss and all gradients of one step, and
the losses of 50 AdamW steps, must agree.  In double both sides compute the same real numbers up to 1e-16 per operation, so
the tolerance there is what shows that the models are the same function; float32 shows that nothing is lost on the way.
"""

import json
import math
import os
import pathlib
import struct
import subprocess

import pytest

torch = pytest.importorskip("torch", reason="PyTorch (torch) is not installed: ./dev setup --torch, or pip install torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BINADE_BUILD_DIR", ROOT / "build" / "release"))


# ---- the models, as a user of PyTorch writes them -----------------------------------------------------------------------


class GPT2Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.c_fc = nn.Linear(width, hidden)
        self.mlp_proj = nn.Linear(hidden, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).split(width, dim=2)
        q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class GPT2(nn.Module):
    def __init__(self, vocabulary, context, layers, width, heads, hidden):
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(context, width)
        self.h = nn.ModuleList(GPT2Block(width, heads, hidden) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.T


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


def rotate_half(x):
    first, second = x.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


class LlamaBlock(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.heads = heads
        self.input_layernorm = RMSNorm(width)
        self.qkv_proj = nn.Linear(width, 3 * width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.post_attention_layernorm = RMSNorm(width)
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x, cos, sin):
        batch, length, width = x.shape
        q, k, v = self.qkv_proj(self.input_layernorm(x)).split(width, dim=2)
        q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2) for t in (q, k, v))
        q, k = (t * cos + rotate_half(t) * sin for t in (q, k))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o_proj(y.transpose(1, 2).reshape(batch, length, width))
        y = self.post_attention_layernorm(x)
        return x + self.down_proj(F.silu(self.gate_proj(y)) * self.up_proj(y))


class Llama(nn.Module):
    def __init__(self, vocabulary, context, layers, width, heads, hidden):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(LlamaBlock(width, heads, hidden) for _ in range(layers))
        self.norm = RMSNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        self.head_width = width // heads

    def forward(self, tokens):
        x = self.embed_tokens(tokens)
        frequency = 10000.0 ** (-torch.arange(0, self.head_width, 2, dtype=torch.float64) / self.head_width)
        angle = torch.outer(torch.arange(tokens.shape[1], dtype=torch.float64), frequency).repeat(1, 2)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        for block in self.layers:
            x = block(x, cos, sin)
        return self.lm_head(self.norm(x))


class Decoder(nn.Module):
    """A Llama with other parts, written out on the arrays that dump_training gives, under their own names."""

    def __init__(self, run):
        super().__init__()
        self.run = run
        self.balances = []
        for name, value in run.weights.items():
            self.register_parameter(name.replace(".", "/"), nn.Parameter(value.clone()))

    def array(self, name):
        return self.get_parameter(f"{name}/weight".replace(".", "/"))

    def linear(self, name, x):
        return x @ self.array(name).T

    def norm(self, name, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.array(name)

    def heads(self, x, width):
        return x.unflatten(-1, (-1, width)).transpose(1, 2)

    def rotate(self, x):
        width = x.shape[-1]
        frequency = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angle = torch.outer(torch.arange(x.shape[-2], dtype=torch.float64), frequency).repeat(1, 2)
        return x * angle.cos().to(x.dtype) + rotate_half(x) * angle.sin().to(x.dtype)

    def attend(self, block, query, key, value):
        query_heads, key_heads = query.shape[1], key.shape[1]
        key, value = (t.repeat_interleave(query_heads // key_heads, dim=1) for t in (key, value))
        y = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.linear(f"{block}.attention.output", y.transpose(1, 2).flatten(2))

    def feed(self, name, x):
        return self.linear(f"{name}.down", F.silu(self.linear(f"{name}.gate", x)) * self.linear(f"{name}.up", x))

    def forward(self, tokens):
        self.balances = []
        x = self.array("token_embedding")[tokens]
        for layer in range(self.run.size("layers")):
            block = f"blocks.{layer}"
            x = x + self.attention(block, self.norm(f"{block}.attention_norm", x))
            x = x + self.mlp(block, self.norm(f"{block}.mlp_norm", x))
        return self.linear("head", self.norm("final_norm", x))


class Moe(Decoder):
    """Mixtral (dense formula: every expert sees every token) with grouped queries, normed queries and keys, a shared expert."""

    def attention(self, block, x):
        width = self.run.size("width") // self.run.size("heads")
        shared = self.run.size("kv_heads") * width
        joint = self.linear(f"{block}.attention.query_key_value", x)
        q, k, v = (self.heads(t, width) for t in joint.split([self.run.size("width"), shared, shared], dim=-1))
        q = self.rotate(self.norm(f"{block}.attention.query_norm", q))
        k = self.rotate(self.norm(f"{block}.attention.key_norm", k))
        return self.attend(block, q, k, v)

    def mlp(self, block, x):
        experts, top_k = self.run.size("experts"), self.run.size("top_k")
        scores = self.linear(f"{block}.moe.router", x).softmax(-1)
        chosen = torch.zeros_like(scores).scatter(-1, scores.topk(top_k, dim=-1).indices, 1.0)
        weights = scores * chosen / (scores * chosen).sum(-1, keepdim=True)
        y = self.feed(f"{block}.moe.shared", x)
        for expert in range(experts):
            y = y + weights[..., expert : expert + 1] * self.feed(f"{block}.moe.experts.{expert}", x)
        load = chosen.flatten(0, 1).mean(0) * experts / top_k
        self.balances.append((load * scores.flatten(0, 1).mean(0)).sum())
        return y


class Latent(Decoder):
    """Multi-head latent attention (DeepSeek-V2, equations 37 to 47) with a latent vector of queries too."""

    def attention(self, block, x):
        name, turned = f"{block}.attention", self.run.size("rotary_width")
        width = self.run.size("width") // self.run.size("heads")
        inner = self.run.size("heads") * width
        down = self.linear(f"{name}.key_value_down", x)
        latent, k_turned = down.split([self.run.size("kv_latent"), turned], dim=-1)
        up = self.linear(f"{name}.key_value_up", self.norm(f"{name}.key_value_norm", latent))
        k, v = (self.heads(t, width) for t in up.split(inner, dim=-1))
        queries = self.linear(f"{name}.query_up", self.norm(f"{name}.query_norm", self.linear(f"{name}.query_down", x)))
        q, q_turned = queries.split([inner, queries.shape[-1] - inner], dim=-1)
        q = torch.cat((self.heads(q, width), self.rotate(self.heads(q_turned, turned))), dim=-1)
        k_turned = self.rotate(self.heads(k_turned, turned)).expand(-1, k.shape[1], -1, -1)
        return self.attend(block, q, torch.cat((k, k_turned), dim=-1), v)

    def mlp(self, block, x):
        return self.feed(f"{block}.mlp", x)


MODELS = {"gpt2": GPT2, "llama": Llama}
DECODERS = {"moe": Moe, "latent": Latent}

# binade's names in PyTorch's; N is the number of the block.
NAMES = {
    "gpt2": {
        "token_embedding": "wte",
        "position_embedding": "wpe",
        "blocks.N.attention_norm": "h.N.ln_1",
        "blocks.N.attention.query_key_value": "h.N.c_attn",
        "blocks.N.attention.output": "h.N.c_proj",
        "blocks.N.mlp_norm": "h.N.ln_2",
        "blocks.N.mlp.up": "h.N.c_fc",
        "blocks.N.mlp.down": "h.N.mlp_proj",
        "final_norm": "ln_f",
    },
    "llama": {
        "token_embedding": "embed_tokens",
        "blocks.N.attention_norm": "layers.N.input_layernorm",
        "blocks.N.attention.query_key_value": "layers.N.qkv_proj",
        "blocks.N.attention.output": "layers.N.o_proj",
        "blocks.N.mlp_norm": "layers.N.post_attention_layernorm",
        "blocks.N.mlp.gate": "layers.N.gate_proj",
        "blocks.N.mlp.up": "layers.N.up_proj",
        "blocks.N.mlp.down": "layers.N.down_proj",
        "final_norm": "norm",
        "head": "lm_head",
    },
}


def torch_name(kind, name):
    if kind in DECODERS:
        return name.replace(".", "/")
    module, leaf = name.rsplit(".", 1)
    digits = [part for part in module.split(".") if part.isdigit()]
    generic = ".".join("N" if part.isdigit() else part for part in module.split("."))
    return NAMES[kind][generic].replace("N", "".join(digits)) + "." + leaf


# ---- what dump_training wrote ---------------------------------------------------------------------------------------------


def read_safetensors(path):
    """(metadata, {name: tensor}); the format is a header length, a JSON header and the bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    types = {"F32": torch.float32, "F64": torch.float64}
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = torch.frombuffer(bytearray(data[begin:end]), dtype=types[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return metadata, tensors


class Run:
    def __init__(self, kind, scalar, folder):
        program = BUILD / "tests" / "torch" / "dump_training"
        if not program.exists():
            pytest.fail(f"{program} is not there: build the project (./dev test), or set BINADE_BUILD_DIR to its build folder")
        path = folder / f"{kind}_{scalar}.safetensors"
        subprocess.run([program, kind, scalar, path], check=True)
        self.kind = kind
        self.settings, tensors = read_safetensors(path)
        self.weights = {n.removeprefix("weight/"): t for n, t in tensors.items() if n.startswith("weight/")}
        self.gradients = {n.removeprefix("gradient/"): t for n, t in tensors.items() if n.startswith("gradient/")}
        self.tokens, self.targets = tensors["tokens"].long(), tensors["targets"].long()
        self.losses, self.norms = tensors["losses"], tensors["gradient_norms"]

    def number(self, key):
        return float(self.settings[key])

    def size(self, key):
        return int(self.settings[key])

    def model(self):
        if self.kind in DECODERS:
            return DECODERS[self.kind](self)
        sizes = {key: self.size(key) for key in ("context", "layers", "width", "heads", "hidden")}
        model = MODELS[self.kind](vocabulary=self.size("padded_vocabulary"), **sizes)
        model = model.to(next(iter(self.weights.values())).dtype)
        weights = {torch_name(self.kind, name): value for name, value in self.weights.items()}
        assert set(weights) == {name for name, _ in model.named_parameters()}  # every parameter, and no other
        model.load_state_dict(weights)
        return model

    def loss(self, model, step):
        logits = model(self.tokens[step])[..., : self.size("vocabulary")]
        loss = F.cross_entropy(logits.flatten(0, 1), self.targets[step].flatten(), ignore_index=-1)
        return loss + self.number("balance_loss") * sum(getattr(model, "balances", []))


# In float32 a router may send a token elsewhere on the last bit of a score, so mixtures are compared in double alone.
RUNS = [(kind, scalar) for kind in MODELS for scalar in ("double", "float")] + [(kind, "double") for kind in DECODERS]


@pytest.fixture(scope="module", params=RUNS, ids="-".join)
def run(request, tmp_path_factory):
    kind, scalar = request.param
    return Run(kind, scalar, tmp_path_factory.mktemp("parity"))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ---- claims ---------------------------------------------------------------------------------------------------------------


def is_double(run):
    return next(iter(run.weights.values())).dtype == torch.float64


def test_loss_of_one_step_agrees(run):
    expected = run.loss(run.model(), 0).item()
    assert run.losses[0].item() == pytest.approx(expected, rel=1e-13 if is_double(run) else 5e-7)


def test_all_gradients_of_one_step_agree(run):
    """Largest difference over the largest element of each array.  Measured: 1.6e-15 in double and 1e-6 (8 ulp) in float32,
    where PyTorch adds up to 512 positions in another order; the limits leave room for other versions and processors."""
    model = run.model()
    run.loss(model, 0).backward()
    expected = {name: p.grad for name, p in model.named_parameters()}
    limit = 1e-12 if is_double(run) else 1e-5
    for name, given in run.gradients.items():
        reference = expected[torch_name(run.kind, name)]
        difference = (given - reference).abs().max() / reference.abs().max()
        assert difference <= limit, f"{name}: {difference:.3g}"


def test_losses_of_50_adamw_steps_agree(run):
    """The same optimizer, schedule and clipping as PyTorch has them.  A difference grows as training goes on: AdamW divides
    by the root of the squared gradient, so the rounding of tiny gradients counts in full.  Measured, losses and gradient
    norms: 4e-15 and 5e-13 in double, 3e-6 and 4e-4 in float32."""
    model = run.model()
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": run.number("weight_decay")}, {"params": vectors, "weight_decay": 0.0}],
        lr=run.number("learning_rate"),
        betas=(run.number("beta1"), run.number("beta2")),
        eps=run.number("epsilon"),
    )
    steps, warmup, floor = len(run.losses), run.size("warmup"), run.number("final_fraction")

    def factor(step):
        if step < warmup:
            return (step + 1) / warmup
        return floor + (1 - floor) * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    losses, norms = [], []
    for step in range(steps):
        optimizer.zero_grad()
        loss = run.loss(model, step)
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), run.number("clip")).item())
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5  # it does learn
    assert run.losses.tolist() == pytest.approx(losses, rel=1e-11 if is_double(run) else 3e-5)
    assert run.norms.tolist() == pytest.approx(norms, rel=1e-9 if is_double(run) else 4e-3)
