"""The versions of the libraries with which what is written and read here was run."""

VERSIONS = {
    'd2l_ext': '0.1.0',
    'mxnet': '1.9.1',
    'torch': '2.13.0',
    'optax': '0.2.8',
    'jax': '0.10.2',
    'keras': '3.15.1',
    'timm': '1.0.31',
    'transformers': '5.24.0',
    'ignite': '0.5.5',
    'paddle': '3.3.1',
    'gluoncv': '0.10.5',
    'fvcore': '0.1.5.post20221221',
    'mmengine': '0.10.7',
    'deepspeed': '0.19.8',
}
