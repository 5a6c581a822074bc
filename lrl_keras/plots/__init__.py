"""Arrays drawn as images and figures."""
