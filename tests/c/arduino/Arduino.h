/* Stand-in for what boards/arduino uses of the Arduino framework: the serial port is stdin and stdout. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

struct SerialPort {
    void begin(unsigned long) {
    }

    int available() {
        struct pollfd wanted = {0, POLLIN, 0};

        if (poll(&wanted, 1, 1) > 0 && !(wanted.revents & POLLIN))
            exit(0); /* nobody is there any more */
        return wanted.revents & POLLIN;
    }

    int read() {
        uint8_t byte;

        if (::read(0, &byte, 1) != 1)
            exit(0);
        return byte;
    }

    size_t write(const uint8_t *bytes, size_t n) {
        return (size_t)::write(1, bytes, n);
    }

    void flush() {
    }
};
static SerialPort Serial __attribute__((unused));

struct Chip {
    void restart() {
        exit(3);
    }
};
static Chip ESP __attribute__((unused));

static inline unsigned long micros() {
    return 0;
}

void setup();
void loop();

#endif
