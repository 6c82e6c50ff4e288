/* Frames by hand: frame encode | frame decode. Bodies are lines of hexadecimal digits, streams are bytes. */
#include "sdfa_frame.h"

#include <stdio.h>
#include <string.h>

static void print_hex(const uint8_t *bytes, uint32_t len) {
    for (uint32_t i = 0; i < len; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

/* Lines of hexadecimal digits on stdin to frames, as lines, on stdout. An empty line is a body of no bytes. */
static void encode(void) {
    char line[1024];
    while (fgets(line, sizeof line, stdin)) {
        uint8_t body[512], wire[SDFA_FRAME_WIRE_MAX];
        uint32_t len = 0;
        unsigned value;
        while (sscanf(line + 2 * (size_t)len, "%2x", &value) == 1)
            body[len++] = (uint8_t)value;
        print_hex(wire, sdfa_frame_put(wire, body, len));
    }
}

/* A stream on stdin; bodies as lines, and at the end how many frames were damaged. */
static void decode(void) {
    struct sdfa_frame f;
    int byte;
    memset(&f, 0, sizeof f);
    while ((byte = getchar()) != EOF) {
        uint32_t len = sdfa_frame_take(&f, (uint8_t)byte);
        if (len)
            print_hex(f.body, len);
    }
    printf("damage %u\n", f.damage);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "encode") == 0)
        encode();
    else if (argc == 2 && strcmp(argv[1], "decode") == 0)
        decode();
    else
        return 2;
    return 0;
}
