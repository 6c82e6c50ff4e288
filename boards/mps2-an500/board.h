/* QEMU's board mps2-an500: a Cortex-M7. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "mps2-an500"

#include "mps2.h"

#endif
