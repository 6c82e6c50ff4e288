/* Requests of the device link that bring another image (SPEC.md 6.3). */
#include "sdfa_requests.h"
#include "sdfa_slots.h"

static const struct sdfa_link_entry entries[] = {SDFA_REQUESTS_PUSH(SDFA_LINK_ENTRY)};
const struct sdfa_link_part sdfa_link_push = {entries, sizeof entries / sizeof *entries};

int sdfa_request_PUSH_BEGIN(struct sdfa_link *l, struct sdfa_exchange *x) {
    return l->slots ? sdfa_slots_begin(l->slots, sdfa_get_u32(x->in), sdfa_get_u32(x->in + 4)) : SDFA_ERR_REQUEST;
}

int sdfa_request_PUSH_DATA(struct sdfa_link *l, struct sdfa_exchange *x) {
    uint32_t part = x->in[0] | (uint32_t)x->in[1] << 8;
    return l->slots ? sdfa_slots_data(l->slots, SDFA_LINK_DATA * part, x->in + 2, x->in_len - 2) : SDFA_ERR_REQUEST;
}

/* Another image takes over: the session ends, and the program opens its net anew. */
static int renew(struct sdfa_link *l, int error) {
    if (error)
        return error;
    l->session = 0;
    l->renew = 1;
    return SDFA_ERR_OK;
}

int sdfa_request_PUSH_END(struct sdfa_link *l, struct sdfa_exchange *x) {
    (void)x;
    return renew(l, l->slots ? sdfa_slots_end(l->slots, l->net) : SDFA_ERR_REQUEST);
}

int sdfa_request_PUSH_DROP(struct sdfa_link *l, struct sdfa_exchange *x) {
    (void)x;
    return renew(l, l->slots ? sdfa_slots_drop(l->slots) : SDFA_ERR_REQUEST);
}

int sdfa_request_SLOTS(struct sdfa_link *l, struct sdfa_exchange *x) {
    struct sdfa_slots_info info;
    int error = l->slots ? sdfa_slots_look(l->slots, &info) : SDFA_ERR_REQUEST;
    if (!error)
        sdfa_put(x, &info, sizeof info);
    return error;
}
