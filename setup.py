"""What pyproject.toml cannot say: the compiled part of the tight pass, which is left out where no compiler is at hand."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "scep_analyzer.capture._stride",
            [f"scep_analyzer/capture/{name}.c" for name in ("_stride", "_table", "_regular", "_followed", "_looks")],
            depends=["scep_analyzer/capture/_stride.h"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
