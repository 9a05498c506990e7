//! The names that other programs give a transformer's tensors, read as timm's.

/// Whose tensor a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tower {
    /// Pictures.
    Vision,
    /// Texts.
    Text,
}

/// Wrappers around a whole network.
const WRAPPERS: [&str; 7] =
    ["module.", "_orig_mod.", "model.", "backbone.", "teacher.backbone.", "dinov2.", "dinov2_with_registers."];

/// Parts that no code needs: heads, the token that hides patches in training, counters, CLIP's temperature.
const IDLE: [&str; 9] = [
    "head.",
    "head_dist.",
    "classifier.",
    "fc_norm.",
    "dino_head.",
    "ibot_head.",
    "mask_token",
    "embeddings.mask_token",
    "logit_",
];

/// Starts of names in CLIP's towers, transformers' names first, then OpenAI's and OpenCLIP's.
const STARTS: [(&str, Tower, &str); 23] = [
    ("vision_model.embeddings.class_embedding", Tower::Vision, "cls_token"),
    ("vision_model.embeddings.position_embedding.weight", Tower::Vision, "pos_embed"),
    ("vision_model.embeddings.patch_embedding.", Tower::Vision, "patch_embed.proj."),
    ("vision_model.pre_layrnorm.", Tower::Vision, "norm_pre."),
    ("vision_model.post_layernorm.", Tower::Vision, "norm."),
    ("vision_model.encoder.layers.", Tower::Vision, "blocks."),
    ("visual_projection.weight", Tower::Vision, "projection"),
    ("text_model.embeddings.token_embedding.weight", Tower::Text, "token_embed"),
    ("text_model.embeddings.position_embedding.weight", Tower::Text, "pos_embed"),
    ("text_model.encoder.layers.", Tower::Text, "blocks."),
    ("text_model.final_layer_norm.", Tower::Text, "norm."),
    ("text_projection.weight", Tower::Text, "projection"),
    ("visual.class_embedding", Tower::Vision, "cls_token"),
    ("visual.positional_embedding", Tower::Vision, "pos_embed"),
    ("visual.conv1.", Tower::Vision, "patch_embed.proj."),
    ("visual.ln_pre.", Tower::Vision, "norm_pre."),
    ("visual.ln_post.", Tower::Vision, "norm."),
    ("visual.transformer.resblocks.", Tower::Vision, "blocks."),
    ("visual.proj", Tower::Vision, "projection_transposed"),
    ("token_embedding.weight", Tower::Text, "token_embed"),
    ("positional_embedding", Tower::Text, "pos_embed"),
    ("ln_final.", Tower::Text, "norm."),
    ("transformer.resblocks.", Tower::Text, "blocks."),
];

/// The same for DINOv2 as transformers and its authors write it.
const DINO_STARTS: [(&str, &str); 8] = [
    ("embeddings.cls_token", "cls_token"),
    ("embeddings.position_embeddings", "pos_embed"),
    ("embeddings.register_tokens", "reg_token"),
    ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
    ("encoder.layer.", "blocks."),
    ("layernorm.", "norm."),
    ("register_tokens", "reg_token"),
    ("text_projection", "projection_transposed"),
];

/// Within a block: transformers' DINOv2 (two generations), its CLIP, OpenCLIP.
const WITHIN: [(&str, &str); 21] = [
    ("attention.attention.query.", "attn.q."),
    ("attention.attention.key.", "attn.k."),
    ("attention.attention.value.", "attn.v."),
    ("attention.output.dense.", "attn.proj."),
    ("attention.q_proj.", "attn.q."),
    ("attention.k_proj.", "attn.k."),
    ("attention.v_proj.", "attn.v."),
    ("attention.o_proj.", "attn.proj."),
    ("layer_scale1.lambda1", "ls1.gamma"),
    ("layer_scale2.lambda1", "ls2.gamma"),
    ("self_attn.q_proj.", "attn.q."),
    ("self_attn.k_proj.", "attn.k."),
    ("self_attn.v_proj.", "attn.v."),
    ("self_attn.out_proj.", "attn.proj."),
    ("layer_norm1.", "norm1."),
    ("layer_norm2.", "norm2."),
    ("attn.in_proj_", "attn.qkv."),
    ("attn.out_proj.", "attn.proj."),
    ("ln_1.", "norm1."),
    ("ln_2.", "norm2."),
    ("mlp.c_", "mlp.c_"),
];

/// Tower and timm-like name of a tensor, or nothing for a part that no code needs.
pub(super) fn read_name(name: &str) -> Option<(Tower, String)> {
    let mut name = name;
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = inner;
    }
    if IDLE.iter().any(|idle| name.starts_with(idle)) || name.ends_with("position_ids") || name == "attn_mask" {
        return None;
    }
    let clip = STARTS.iter().find_map(|(start, tower, ours)| Some((*tower, *ours, name.strip_prefix(start)?)));
    let dino = || DINO_STARTS.iter().find_map(|(start, ours)| Some((Tower::Vision, *ours, name.strip_prefix(start)?)));
    let (tower, start, rest) = clip.or_else(dino).unwrap_or((Tower::Vision, "", name));
    let tower = if name == "text_projection" { Tower::Text } else { tower };
    let name = format!("{start}{rest}");
    let block = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.'));
    let Some((number, field)) = block else { return Some((tower, name)) };
    let field = WITHIN
        .iter()
        .find_map(|(theirs, ours)| Some(format!("{ours}{}", field.strip_prefix(theirs)?)))
        .unwrap_or_else(|| field.to_owned())
        .replace("mlp.c_fc.", "mlp.fc1.")
        .replace("mlp.c_proj.", "mlp.fc2.");
    Some((tower, format!("blocks.{number}.{field}")))
}

#[cfg(test)]
mod tests {
    use super::{Tower, read_name};

    #[test]
    fn names_of_four_programs_are_read_as_timms() {
        use Tower::{Text, Vision};
        for (theirs, tower, ours) in [
            ("cls_token", Vision, "cls_token"),
            ("blocks.3.attn.qkv.weight", Vision, "blocks.3.attn.qkv.weight"),
            ("register_tokens", Vision, "reg_token"),
            ("dinov2.embeddings.patch_embeddings.projection.bias", Vision, "patch_embed.proj.bias"),
            ("encoder.layer.11.attention.attention.key.weight", Vision, "blocks.11.attn.k.weight"),
            ("encoder.layer.0.layer_scale2.lambda1", Vision, "blocks.0.ls2.gamma"),
            ("layernorm.weight", Vision, "norm.weight"),
            ("vision_model.pre_layrnorm.bias", Vision, "norm_pre.bias"),
            ("vision_model.encoder.layers.2.self_attn.out_proj.bias", Vision, "blocks.2.attn.proj.bias"),
            ("text_model.encoder.layers.2.layer_norm1.bias", Text, "blocks.2.norm1.bias"),
            ("visual.transformer.resblocks.1.attn.in_proj_weight", Vision, "blocks.1.attn.qkv.weight"),
            ("transformer.resblocks.1.mlp.c_proj.weight", Text, "blocks.1.mlp.fc2.weight"),
            ("visual.proj", Vision, "projection_transposed"),
            ("text_projection", Text, "projection_transposed"),
            ("text_projection.weight", Text, "projection"),
        ] {
            assert_eq!(read_name(theirs), Some((tower, ours.to_owned())), "{theirs}");
        }
        for idle in ["head.weight", "embeddings.mask_token", "logit_scale", "text_model.embeddings.position_ids"] {
            assert_eq!(read_name(idle), None, "{idle}");
        }
    }
}
