//! A chain as stages: what is computed from one map in memory to the next.

use super::weights::{Dense, Layer, Packer, Step, Taps};

/// How the rows of the wide map come about.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    /// They are the input's.
    Input,
    /// Pointwise convolution.
    Product(Dense),
    /// Any other dense convolution, over the input with zeros around it.
    Dense(Dense),
}

/// Rows, depthwise convolution, pointwise convolution, each but the first where there is one.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) rows: Rows,
    pub(super) depthwise: Option<Taps>,
    pub(super) project: Option<Dense>,
    pub(super) residual: bool,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Stage {
    /// Output rows and columns for maps of `size`.
    pub(super) fn out(&self, size: [usize; 2]) -> [usize; 2] {
        let rows = match &self.rows {
            Rows::Dense(dense) => dense.stride,
            _ => 1,
        };
        let depthwise = self.depthwise.as_ref().map_or(1, |taps| taps.stride);
        size.map(|length| length.div_ceil(rows).div_ceil(depthwise))
    }
}

/// Packs the steps; convolutions that follow each other share a stage where they can.
pub(super) fn stages(steps: &[Step], packer: &mut Packer) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for step in steps {
        match step {
            Step::Conv(layer) => conv(&mut stages, layer, packer),
            Step::InvertedResidual { expand: Some(expand), depthwise, project, residual } => {
                stages.push(Stage {
                    rows: Rows::Product(packer.dense(expand)),
                    depthwise: Some(packer.taps(depthwise)),
                    project: Some(packer.dense(project)),
                    residual: *residual,
                    inputs: expand.inputs,
                    outputs: project.outputs,
                });
            }
            Step::InvertedResidual { expand: None, depthwise, project, residual: true } => {
                stages.push(Stage {
                    rows: Rows::Input,
                    depthwise: Some(packer.taps(depthwise)),
                    project: Some(packer.dense(project)),
                    residual: true,
                    inputs: depthwise.inputs,
                    outputs: project.outputs,
                });
            }
            Step::InvertedResidual { expand: None, depthwise, project, residual: false } => {
                conv(&mut stages, depthwise, packer);
                conv(&mut stages, project, packer);
            }
        }
    }
    stages
}

fn conv(stages: &mut Vec<Stage>, layer: &Layer, packer: &mut Packer) {
    let pointwise = !layer.depthwise && layer.kernel == 1 && layer.stride == 1;
    match stages.last_mut() {
        Some(last) if layer.depthwise && last.depthwise.is_none() => {
            last.depthwise = Some(packer.taps(layer));
        }
        Some(last) if pointwise && last.depthwise.is_some() && last.project.is_none() => {
            last.project = Some(packer.dense(layer));
            last.outputs = layer.outputs;
        }
        _ => {
            let rows = match (layer.depthwise, pointwise) {
                (true, _) => Rows::Input,
                (_, true) => Rows::Product(packer.dense(layer)),
                _ => Rows::Dense(packer.dense(layer)),
            };
            stages.push(Stage {
                rows,
                depthwise: layer.depthwise.then(|| packer.taps(layer)),
                project: None,
                residual: false,
                inputs: layer.inputs,
                outputs: layer.outputs,
            });
        }
    }
}
