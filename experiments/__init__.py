"""The paper's tables and figures, and a study that needs no licence; one command each."""
