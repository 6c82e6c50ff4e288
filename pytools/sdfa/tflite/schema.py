"""What the TensorFlow Lite schema says: numbers of operators, types and options. Facts only, no behaviour."""

from __future__ import annotations

import numpy as np

IDENTIFIER = b"TFL3"

# builtin operators by code
_OPERATORS = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC
LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX
SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD
UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE
UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE
BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL
LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT
RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT
UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR
LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK
ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4
NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE
READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL
GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE
STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE
STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE
STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT
STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL
STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE
STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT
STABLEHLO_CASE
"""
OPERATORS = tuple(_OPERATORS.split())
CUSTOM = OPERATORS.index("CUSTOM")

# tensor types by number, in lower case
_TYPES = """
float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 complex128 uint64 resource
variant uint32 uint16 int4 bfloat16 int2 uint4 float8_e4m3fn float8_e5m2
"""
TYPES = tuple(_TYPES.split())
# those whose constants numpy can show as they lie in the file
DTYPES = {
    name: np.dtype(form)
    for name, form in {
        "bool": "?", "int8": "i1", "uint8": "u1", "int16": "<i2", "uint16": "<u2", "int32": "<i4",
        "uint32": "<u4", "int64": "<i8", "uint64": "<u8", "float16": "<f2", "float32": "<f4",
        "float64": "<f8", "complex64": "<c8", "complex128": "<c16",
    }.items()
}  # fmt: skip

ENUMS: dict[str, tuple[str, ...]] = {
    "padding": ("SAME", "VALID"),
    "activation": ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"),
    "weights_format": ("DEFAULT", "SHUFFLED4X16INT8"),
    "out_type": TYPES,
}

# (option, slot, struct format, default)
Field = tuple[str, int, str, float]
Fields = tuple[Field, ...]
_ACTIVATION: Fields = (("activation", 0, "b", 0),)
_KEEP_DIMS: Fields = (("keep_dims", 0, "?", 0),)

# operator -> (number of its table in the union of options, its fields)
OPTIONS: dict[str, tuple[int, Fields]] = {
    "CONV_2D": (
        1,
        (
            ("padding", 0, "b", 0), ("stride_w", 1, "i", 0), ("stride_h", 2, "i", 0),
            ("activation", 3, "b", 0), ("dilation_w", 4, "i", 1), ("dilation_h", 5, "i", 1),
        ),
    ),
    "DEPTHWISE_CONV_2D": (
        2,
        (
            ("padding", 0, "b", 0), ("stride_w", 1, "i", 0), ("stride_h", 2, "i", 0),
            ("depth_multiplier", 3, "i", 0), ("activation", 4, "b", 0), ("dilation_w", 5, "i", 1),
            ("dilation_h", 6, "i", 1),
        ),
    ),
    "FULLY_CONNECTED": (8, _ACTIVATION + (("weights_format", 1, "b", 0), ("keep_num_dims", 2, "?", 0))),
    "SOFTMAX": (9, (("beta", 0, "f", 0.0),)),
    "CONCATENATION": (10, (("axis", 0, "i", 0), ("activation", 1, "b", 0))),
    "ADD": (11, _ACTIVATION),
    "MUL": (21, _ACTIVATION),
    "GATHER": (23, (("axis", 0, "i", 0), ("batch_dims", 1, "i", 0))),
    "MEAN": (27, _KEEP_DIMS),
    "SUM": (27, _KEEP_DIMS),
    "REDUCE_PROD": (27, _KEEP_DIMS),
    "REDUCE_MAX": (27, _KEEP_DIMS),
    "REDUCE_MIN": (27, _KEEP_DIMS),
    "SUB": (28, _ACTIVATION),
    "DIV": (29, _ACTIVATION),
    "STRIDED_SLICE": (
        32,
        (
            ("begin_mask", 0, "i", 0), ("end_mask", 1, "i", 0), ("ellipsis_mask", 2, "i", 0),
            ("new_axis_mask", 3, "i", 0), ("shrink_axis_mask", 4, "i", 0), ("offset", 5, "?", 0),
        ),
    ),
    "SHAPE": (55, (("out_type", 0, "b", 0),)),
    "PACK": (59, (("values_count", 0, "i", 0), ("axis", 1, "i", 0))),
    "LEAKY_RELU": (75, (("alpha", 0, "f", 0.0),)),
}  # fmt: skip
for _pool in ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"):
    OPTIONS[_pool] = (
        5,
        (
            ("padding", 0, "b", 0), ("stride_w", 1, "i", 0), ("stride_h", 2, "i", 0), ("filter_w", 3, "i", 0),
            ("filter_h", 4, "i", 0), ("activation", 5, "b", 0),
        ),
    )  # fmt: skip

# options that are at least 1 in every sound model
POSITIVE = frozenset({"stride_w", "stride_h", "dilation_w", "dilation_h", "filter_w", "filter_h"})
