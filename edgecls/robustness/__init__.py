"""What the accuracy alone does not show: changed images, attacks, and paired comparisons."""
