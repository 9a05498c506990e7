//! Paths to RGB8 pictures to views.
