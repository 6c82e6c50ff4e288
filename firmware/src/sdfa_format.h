/* The image format as C structs (SPEC.md section 1). Read in place; tests compare every offset with
 * pytools/sdfa/image/records.py. */
#ifndef SDFA_FORMAT_H
#define SDFA_FORMAT_H

#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "sdfa images are little endian; this target is not"
#endif

/* Records are overlaid on the caller's memory, whatever type that was declared with. */
#if defined(__GNUC__)
#define SDFA_ALIAS __attribute__((__may_alias__))
#else
#define SDFA_ALIAS
#endif

#define SDFA_MAGIC           0x41464453u
#define SDFA_TAG(a, b, c, d) ((uint32_t)(a) | ((uint32_t)(b) << 8) | ((uint32_t)(c) << 16) | ((uint32_t)(d) << 24))
#define SDFA_TAG_TENSORS     SDFA_TAG('T', 'E', 'N', 'S')
#define SDFA_TAG_OPS         SDFA_TAG('O', 'P', 'S', ' ')
#define SDFA_TAG_DATA        SDFA_TAG('D', 'A', 'T', 'A')
#define SDFA_TAG_TAIL        SDFA_TAG('T', 'A', 'I', 'L')
#define SDFA_TAG_LEARNING    SDFA_TAG('L', 'E', 'R', 'N')
#define SDFA_TAG_LEARNED     SDFA_TAG('L', 'R', 'N', 'D')
#define SDFA_TAG_GOLD        SDFA_TAG('G', 'O', 'L', 'D')

enum sdfa_kind {
    SDFA_DENSE = 1,
    SDFA_CONV = 2,
    SDFA_DEPTHWISE = 3,
    SDFA_AVGPOOL = 4,
    SDFA_MAXPOOL = 5,
    SDFA_ADD = 6,
    SDFA_SOFTMAX = 7,
    SDFA_MUL = 8,
    SDFA_MEAN = 9,
    SDFA_PAD = 10,
    SDFA_COPY = 11,
    SDFA_TABLE = 12
};
/* Of DENSE; CONV and DEPTHWISE know PACKED and FAST. */
enum sdfa_layer_flag {
    SDFA_LAYER_TAIL = 1,
    SDFA_LAYER_KEEP = 2,
    SDFA_LAYER_PACKED = 4,
    SDFA_LAYER_FAST = 8,
    SDFA_LAYER_PACKABLE = 16,
    SDFA_LAYER_ZEROS = 32
};
enum sdfa_add_flag { SDFA_ADD_SUBTRACT = 1 };
enum sdfa_live_flag { SDFA_LIVE_CENTRED = 1 };
enum sdfa_loss_kind { SDFA_LOSS_SOFTMAX_CE = 0, SDFA_LOSS_MSE = 1 };
enum { SDFA_MASTER_BITS = 8 }; /* of fractions in RAM; the other value of master_bits is 0 */
enum sdfa_feedback_kind {
    SDFA_FEEDBACK_LAST = 0,
    SDFA_FEEDBACK_RANDOM = 1,
    SDFA_FEEDBACK_ALIGNED = 2,
    SDFA_FEEDBACK_DENSE = 3,
    SDFA_FEEDBACK_BP = 4,
    SDFA_FEEDBACK_LIVE = 5
};

struct SDFA_ALIAS sdfa_header {
    uint32_t magic, crc32, image_len;
    uint16_t version, section_n;
    uint8_t model_id[8];
    uint32_t arena_len, tail_len;
    uint16_t op_n, tensor_n, input, output;
    uint32_t kernels, reserved[5];
};

struct SDFA_ALIAS sdfa_section {
    uint32_t tag, off, len, reserved;
};

struct SDFA_ALIAS sdfa_tensor {
    uint32_t off, c;
    uint16_t h, w;
    int16_t zero_point;
    uint16_t reserved;
    uint32_t scale; /* the bits of a float; for tools */
};

struct SDFA_ALIAS sdfa_op {
    uint16_t kind, len, in, out;
};

struct SDFA_ALIAS sdfa_dense_op {
    struct sdfa_op op;
    uint32_t weights, bias, mult, shift;
    uint32_t in_n, out_n, acc;
    uint16_t rows, flags;
    int16_t act_min, act_max;
    uint32_t reserved;
};

struct SDFA_ALIAS sdfa_conv_op {
    struct sdfa_op op;
    uint32_t weights, bias, mult, shift, scratch;
    uint16_t kh, kw, stride_h, stride_w, dil_h, dil_w, pad_top, pad_left;
    int16_t act_min, act_max;
    uint32_t flags;
};

struct SDFA_ALIAS sdfa_pool_op {
    struct sdfa_op op;
    uint16_t kh, kw, stride_h, stride_w, pad_top, pad_left;
    int16_t act_min, act_max;
};

struct SDFA_ALIAS sdfa_add_op {
    struct sdfa_op op;
    uint16_t in1, flags;
    int32_t mult0, shift0, mult1, shift1, mult_out, shift_out;
    int16_t act_min, act_max;
};

struct SDFA_ALIAS sdfa_softmax_op {
    struct sdfa_op op;
    int32_t mult, shift, diff_min;
};

struct SDFA_ALIAS sdfa_mul_op {
    struct sdfa_op op;
    uint16_t in1, reserved;
    int32_t mult, shift;
    int16_t act_min, act_max;
};

struct SDFA_ALIAS sdfa_mean_op {
    struct sdfa_op op;
    int32_t mult, shift;
};

struct SDFA_ALIAS sdfa_pad_op {
    struct sdfa_op op;
    uint16_t top, left;
};

struct SDFA_ALIAS sdfa_copy_op {
    struct sdfa_op op;
    uint32_t rows, row_len, off;
};

struct SDFA_ALIAS sdfa_table_op {
    struct sdfa_op op;
    uint32_t table;
};

struct SDFA_ALIAS sdfa_learning {
    uint16_t layer_n;
    uint8_t loss, feedback;
    uint32_t rate_q24;
    uint16_t tau_q15, master_bits;
    uint32_t seed, error, delta, zmult, zshift;
};

struct SDFA_ALIAS sdfa_layer {
    uint32_t op, ratio, index, coef, sigma;
    uint16_t k;
    int16_t delta_exp;
    uint16_t bias_mant;
    int16_t bias_exp;
    uint32_t flags, reserved;
};

struct SDFA_ALIAS sdfa_ratio {
    uint16_t mant;
    int16_t exp;
};

struct SDFA_ALIAS sdfa_learned {
    uint32_t steps, random, rate_q24;
    uint16_t tau_q15, reserved;
};

struct SDFA_ALIAS sdfa_gold {
    uint32_t seed, crc;
};

/* Fails to compile when a record is not as long as the specification says. */
#define SDFA_ASSERT_SIZE(name, len) typedef char sdfa_assert_##name[sizeof(struct name) == (len) ? 1 : -1]
SDFA_ASSERT_SIZE(sdfa_header, 64);
SDFA_ASSERT_SIZE(sdfa_section, 16);
SDFA_ASSERT_SIZE(sdfa_tensor, 20);
SDFA_ASSERT_SIZE(sdfa_op, 8);
SDFA_ASSERT_SIZE(sdfa_dense_op, 48);
SDFA_ASSERT_SIZE(sdfa_conv_op, 52);
SDFA_ASSERT_SIZE(sdfa_pool_op, 24);
SDFA_ASSERT_SIZE(sdfa_add_op, 40);
SDFA_ASSERT_SIZE(sdfa_softmax_op, 20);
SDFA_ASSERT_SIZE(sdfa_mul_op, 24);
SDFA_ASSERT_SIZE(sdfa_mean_op, 16);
SDFA_ASSERT_SIZE(sdfa_pad_op, 12);
SDFA_ASSERT_SIZE(sdfa_copy_op, 20);
SDFA_ASSERT_SIZE(sdfa_table_op, 12);
SDFA_ASSERT_SIZE(sdfa_learning, 32);
SDFA_ASSERT_SIZE(sdfa_layer, 36);
SDFA_ASSERT_SIZE(sdfa_ratio, 4);
SDFA_ASSERT_SIZE(sdfa_learned, 16);
SDFA_ASSERT_SIZE(sdfa_gold, 8);

#endif
