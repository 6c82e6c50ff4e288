/* Texts of the errors. */
#include "sdfa.h"

const char *sdfa_error_text(int error) {
    switch (error) {
#define SDFA_X(name, value, text)                                                                                      \
    case SDFA_ERR_##name:                                                                                              \
        return text;
        SDFA_ERRORS(SDFA_X)
#undef SDFA_X
    default:
        return "unknown error";
    }
}
