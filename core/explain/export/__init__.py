"""What is seen, to take along: one plane of attention as PNG or SVG, a whole map as one HTML file that needs nothing else."""
