//! Fast CPU kernels for convolutional networks, as a Burn backend extension.
