/* Requests of the device link (SPEC.md 6.3). Not for users. */
#ifndef SDFA_REQUESTS_H
#define SDFA_REQUESTS_H

#include "sdfa_internal.h"
#include "sdfa_link.h"

/* First byte of a body: version and direction. */
#define SDFA_LINK_REQUEST (SDFA_LINK_VERSION << 4)
#define SDFA_LINK_REPLY   (SDFA_LINK_VERSION << 4 | 1)
#define SDFA_REQUEST_HEAD 4u /* first byte, request, u16 number */
#define SDFA_REPLY_HEAD   6u /* the same of the request, i16 status */

/* Arguments of a request, and the data of its reply. in_len is in the range of SDFA_REQUESTS. */
struct sdfa_exchange {
    const uint8_t *in;
    uint32_t in_len;
    uint8_t *out; /* room for SDFA_LINK_DATA bytes */
    uint32_t out_len;
};

#define SDFA_X(name, value, slow, least, most) int sdfa_request_##name(struct sdfa_link *l, struct sdfa_exchange *x);
SDFA_REQUESTS(SDFA_X)
#undef SDFA_X

#endif
