/* QEMU's board mps2-an386: a Cortex-M4F. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "mps2-an386"

#include "mps2.h"

#endif
