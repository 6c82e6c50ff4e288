/* The CRC-32 of an image (SPEC.md 1.1). Apart from sdfa_bind, so that nothing of it is linked where it is not used. */
#include "sdfa_internal.h"

int sdfa_open(struct sdfa *s, const void *image, size_t image_len, const struct sdfa_kernels *kernels, void *arena,
              size_t arena_len, void *tail, size_t tail_len) {
    const struct sdfa_header *h = image;
    int error = SDFA_ERR_ALIGN;
    if ((((uintptr_t)image | (uintptr_t)arena | (uintptr_t)tail) & 3u) == 0)
        error = sdfa_check_header(image, image_len);
    if (!error && h->crc32 != sdfa_crc32(0, (const uint8_t *)image + 8, h->image_len - 8))
        error = SDFA_ERR_CRC;
    return error ? error : sdfa_bind(s, image, image_len, kernels, arena, arena_len, tail, tail_len);
}
