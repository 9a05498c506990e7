"""Small random vision transformers and CLIPs with their codes, by `transformers` and `timm`.

`python transformers_parity.py` writes `transformers/*`, a few seconds. Every parameter is drawn at random, biases and
layer scales too, so that no term hides; weights are kept in half precision and computed with in float64.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig, CLIPModel, CLIPTokenizer, Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel,
)

HERE = Path(__file__).parent / "transformers"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def draw(model, seed):
    """Random parameters that half precision holds exactly."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre = 1.0 if name.endswith(("norm1.weight", "norm2.weight", "norm.weight", "lambda1", "gamma")) else 0.0
            width = 0.3 if parameter.ndim < 2 else 1.0 / parameter[0].numel() ** 0.5
            values = centre + width * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(values.half().float())
    return model.double().eval()


def pictures(size, count=2):
    """Smooth colours with some noise, [count, size, size, 3], whole numbers from 0 to 255."""
    rng = np.random.default_rng(size)
    y, x = np.mgrid[0:size, 0:size] / size
    waves = [np.sin(7 * x + k) * np.cos(5 * y * (k + 1)) for k in range(3)]
    base = 128 + 90 * np.stack(waves, -1)
    return np.clip(base + rng.normal(0, 25, (count, size, size, 3)), 0, 255).round()


def normalised(images, mean=MEAN, deviation=DEVIATION):
    x = torch.tensor(images, dtype=torch.float64).permute(0, 3, 1, 2) / 255
    return (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(deviation).view(3, 1, 1)


def save(name, tensors):
    half = {k: torch.as_tensor(v).contiguous().half() for k, v in tensors.items()}
    (HERE / name).parent.mkdir(parents=True, exist_ok=True)
    save_file(half, HERE / name)


def save_model(name, model, config=True):
    """As the library itself names the tensors in a file."""
    with tempfile.TemporaryDirectory() as directory:
        model.save_pretrained(directory)
        tensors = load_file(Path(directory) / "model.safetensors")
        save(f"{name}/model.safetensors", tensors)
        if config:
            text = json.loads((Path(directory) / "config.json").read_text())
            (HERE / name / "config.json").write_text(json.dumps(text, indent=1) + "\n")
    return tensors


def save_codes(name, codes):
    save_file({k: torch.as_tensor(v).float().contiguous() for k, v in codes.items()}, HERE / f"{name}.safetensors")


def authors_names(tensors):
    """DINOv2's own names, with queries, keys and values in one tensor."""
    renames = [
        ("embeddings.cls_token", "cls_token"), ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.register_tokens", "register_tokens"), ("embeddings.mask_token", "mask_token"),
        ("embeddings.patch_embeddings.projection", "patch_embed.proj"), ("encoder.layer.", "blocks."),
        ("attention.output.dense", "attn.proj"), ("attention.o_proj", "attn.proj"),
        ("layer_scale1.lambda1", "ls1.gamma"), ("layer_scale2.lambda1", "ls2.gamma"), ("layernorm.", "norm."),
    ]
    out, parts = {}, {}
    for key, value in tensors.items():
        for theirs, ours in renames:
            key = key.replace(theirs, ours)
        for i, part in enumerate(["query", "key", "value"]):
            for found in [f".attention.attention.{part}.", f".attention.{part[0]}_proj."]:
                if found in key:
                    parts.setdefault(key.replace(found, ".attn.qkv."), {})[i] = value
                    key = None
                    break
            if key is None:
                break
        if key is not None:
            out[key] = value
    out.update({key: torch.cat([three[0], three[1], three[2]]) for key, three in parts.items()})
    return out


def dinov2():
    shape = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=4, patch_size=8, image_size=40)
    codes = {}
    for name, model in [
        ("dinov2", Dinov2Model(Dinov2Config(**shape))),
        ("dinov2_registers", Dinov2WithRegistersModel(Dinov2WithRegistersConfig(num_register_tokens=4, **shape))),
    ]:
        model = draw(model, 1 if name == "dinov2" else 2)
        tensors = save_model(name, model)
        if name == "dinov2_registers":
            save("dinov2_authors/model.safetensors", authors_names(tensors))
            (HERE / "dinov2_authors/config.json").write_text('{"num_attention_heads": 3}\n')
        # The size of the position codes, a larger one, a smaller one, and one that the patches do not fill.
        for size in [40, 56, 24, 45]:
            images = pictures(size)
            with torch.no_grad():
                tokens = model(normalised(images)).last_hidden_state
            first = 1 + getattr(model.config, "num_register_tokens", 0)
            codes |= {
                f"images.{size}": images,
                f"{name}.class.{size}": tokens[:, 0],
                f"{name}.patches.{size}": tokens[:, first:].mean(1),
            }
    model = timm.models.vision_transformer.VisionTransformer(
        img_size=40, patch_size=8, embed_dim=48, depth=2, num_heads=3, init_values=1.0, reg_tokens=4,
        no_embed_class=True, num_classes=7, class_token=True,
    )
    model = draw(model, 3)
    save("timm/model.safetensors", model.state_dict())
    (HERE / "timm/config.json").write_text('{"num_attention_heads": 3}\n')
    with torch.no_grad():
        codes["timm.class.40"] = model.forward_features(normalised(pictures(40)))[:, 0]
    save_codes("dinov2_codes", codes)


TEXTS = [
    "a photo of a fly agaric", "mushroom", "  Two   SPACES and CAPITALS ", "it's they're we've i'd", "3 caps, 17 gills!!",
    "café crème (brûlée)", "naïve… “quotes”", "日本の茸", "🍄 mushroom", "under_score semi;colon", "",
    "a very long text that goes on and on until there is no room left for any more of its many words in the context",
]


def vocabulary(directory, n_merges=200):
    """A byte-pair vocabulary in CLIP's form, learnt from a few sentences."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    alphabet = list(bytes_to_unicode().values())
    words = " ".join(TEXTS[:6] * 3 + ["photograph of the caps and gills of mushrooms in the forest"] * 5).lower().split()
    table = bytes_to_unicode()
    words = [[*(table[b] for b in w.encode())] for w in words]
    words = [w[:-1] + [w[-1] + "</w>"] for w in words]
    merges = []
    for _ in range(n_merges):
        counts = {}
        for w in words:
            for pair in zip(w, w[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            break
        best = max(sorted(counts), key=counts.get)
        merges.append(best)
        for w in words:
            i = 0
            while i + 1 < len(w):
                if (w[i], w[i + 1]) == best:
                    w[i : i + 2] = ["".join(best)]
                i += 1
    tokens = alphabet + [c + "</w>" for c in alphabet] + ["".join(m) for m in merges]
    tokens = list(dict.fromkeys(tokens)) + ["<|startoftext|>", "<|endoftext|>"]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False) + "\n")
    lines = ["#version: 0.2", *(" ".join(m) for m in merges)]
    (directory / "merges.txt").write_text("\n".join(lines) + "\n")
    return len(tokens)


def openai_names(tensors):
    """CLIP's own names, with queries, keys and values in one tensor and the projections transposed."""
    renames = [
        ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
        ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        ("vision_model.embeddings.patch_embedding", "visual.conv1"), ("vision_model.pre_layrnorm", "visual.ln_pre"),
        ("vision_model.post_layernorm", "visual.ln_post"), ("vision_model.encoder.layers", "visual.transformer.resblocks"),
        ("text_model.embeddings.token_embedding", "token_embedding"),
        ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        ("text_model.encoder.layers", "transformer.resblocks"), ("text_model.final_layer_norm", "ln_final"),
        ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
        ("self_attn.out_proj", "attn.out_proj"),
    ]
    out, parts = {}, {}
    for key, value in tensors.items():
        if key.endswith("projection.weight"):
            out["visual.proj" if key.startswith("visual") else "text_projection"] = value.T
            continue
        for theirs, ours in renames:
            key = key.replace(theirs, ours)
        for i, part in enumerate("qkv"):
            if f".self_attn.{part}_proj." in key:
                parts.setdefault(key.replace(f".self_attn.{part}_proj.", ".attn.in_proj_"), {})[i] = value
                break
        else:
            out[key] = value
    out.update({key: torch.cat([three[0], three[1], three[2]]) for key, three in parts.items()})
    return out


def clip():
    n_tokens = vocabulary(HERE / "clip")
    tower = dict(num_hidden_layers=2, intermediate_size=96, hidden_act="quick_gelu")
    config = CLIPConfig(
        text_config=dict(
            vocab_size=n_tokens, hidden_size=32, num_attention_heads=2, max_position_embeddings=24,
            bos_token_id=n_tokens - 2, eos_token_id=n_tokens - 1, projection_dim=20, **tower,
        ),
        vision_config=dict(
            hidden_size=48, num_attention_heads=3, patch_size=8, image_size=40, projection_dim=20, **tower
        ),
        projection_dim=20,
    )
    model = draw(CLIPModel(config), 4)
    tensors = save_model("clip", model)
    save("clip_openai/model.safetensors", openai_names(tensors))
    for name in ["vocab.json", "merges.txt", "config.json"]:
        (HERE / "clip_openai" / name).write_text((HERE / "clip" / name).read_text())
    tokenizer = CLIPTokenizer.from_pretrained(HERE / "clip")
    ids = [tokenizer(text, truncation=True, max_length=24)["input_ids"] for text in TEXTS]
    images = pictures(40)
    codes = {"images": torch.tensor(images)}
    with torch.no_grad():
        vision = model.vision_model(pixel_values=normalised(images, CLIP_MEAN, CLIP_DEVIATION))
        codes["image_codes"] = model.visual_projection(vision.pooler_output)
        rows = [model.text_projection(model.text_model(input_ids=torch.tensor([i])).pooler_output) for i in ids]
        codes["text_codes"] = torch.cat(rows)
    save_codes("clip_codes", codes)
    texts = [{"text": text, "tokens": i} for text, i in zip(TEXTS, ids)]
    (HERE / "clip_texts.json").write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    dinov2()
    clip()
    for path in sorted(HERE.rglob("*.*")):
        print(f"{path.stat().st_size:8} {path.relative_to(HERE)}")
