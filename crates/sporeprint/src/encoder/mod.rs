//! Images to feature maps to codes.
