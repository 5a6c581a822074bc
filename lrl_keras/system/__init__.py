"""Files, checksums, hardware, options: what needs neither Keras nor TensorFlow."""
