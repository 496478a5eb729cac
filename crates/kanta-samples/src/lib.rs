//! Synthetic, Finnish-shaped sample data from a seed.
