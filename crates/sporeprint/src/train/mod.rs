//! Training loops, optimiser, schedules and checkpoints.
