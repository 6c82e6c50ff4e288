/* Frames of the device link (SPEC.md 6): a block of bytes with a checksum, found again in a stream that loses, changes,
 * doubles or inserts bytes. No I/O of its own: bytes in, bytes out.
 *
 * On the wire: body and its CRC-32 (little endian), coded so that no byte is zero (consistent overhead byte stuffing,
 * Cheshire and Baker 1997, doi:10.1145/263105.263126), and one zero byte behind it.
 */
#ifndef SDFA_FRAME_H
#define SDFA_FRAME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDFA_FRAME_BODY_MAX 144                       /* bytes of a body */
#define SDFA_FRAME_WIRE_MAX (SDFA_FRAME_BODY_MAX + 6) /* bytes on the wire: with CRC, code byte and zero */

/* A receiver; zeroed before its first byte. */
struct sdfa_frame {
    uint8_t body[SDFA_FRAME_BODY_MAX + 4];
    uint16_t len;    /* bytes decoded so far */
    uint16_t damage; /* frames that were thrown away, modulo 2^16 */
    uint8_t left;    /* bytes before the next code byte; 0: the next byte is a code byte */
    uint8_t zero;    /* a zero belongs in front of the next code byte's bytes */
    uint8_t bad;     /* what comes before the next zero is thrown away */
};

/* Takes the next byte of the stream. Returns the length of the body, 1 .. SDFA_FRAME_BODY_MAX, when this byte completes
 * a sound frame (body is valid until the next call), else 0. */
uint32_t sdfa_frame_take(struct sdfa_frame *f, uint8_t byte);

/* Codes body, len 1 .. SDFA_FRAME_BODY_MAX bytes, into wire. Returns the bytes written, at most len + 6; 0 for a length
 * out of range. */
uint32_t sdfa_frame_put(uint8_t *wire, const uint8_t *body, uint32_t len);

#ifdef __cplusplus
}
#endif

#endif
