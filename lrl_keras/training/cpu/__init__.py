"""Layers computed otherwise while a network is trained on a CPU: faster, and to the same bits."""
