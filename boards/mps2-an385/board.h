/* QEMU's board mps2-an385: a Cortex-M3. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "mps2-an385"

#include "mps2.h"

#endif
