"""What pyproject.toml cannot say: the compiled part of the tight pass, which is left out where no compiler is at hand."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "scep_analyzer.capture._stride", ["scep_analyzer/capture/_stride.c"], py_limited_api=True, optional=True
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
