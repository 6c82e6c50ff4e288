/* What the framework does around a sketch. */
#include <Arduino.h>

int main() {
    setup();
    for (;;)
        loop();
}
