/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields are written as PNG frames, with libpng's simplified API. */
#include "picture.h"

#include <assert.h>
#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

/* Dark blue over teal and sand to white; between these the colours are mixed. */
static const unsigned char stops[][3] = {{8, 12, 38},    {22, 58, 110},   {30, 122, 140},
                                         {96, 184, 150}, {214, 206, 130}, {244, 160, 90},
                                         {255, 246, 230}};

static void picture_colour(double value, unsigned char *rgb) {
    size_t last = sizeof stops / sizeof stops[0] - 1;
    double at = (value < 0 ? 0 : value > 1 ? 1 : value) * (double)last;
    size_t low = (size_t)at < last ? (size_t)at : last - 1;
    double mix = at - (double)low;
    for (int c = 0; c < 3; c++)
        rgb[c] = (unsigned char)(stops[low][c] * (1 - mix) + stops[low + 1][c] * mix + 0.5);
}

bool picture_write(const char *path, const double *values, size_t width, size_t height,
                   double most) {
    assert(values && width > 0 && height > 0 && most > 0);
    unsigned char *pixels = malloc(3 * width * height);
    if (!pixels)
        return false;
    for (size_t i = 0; i < width * height; i++)
        picture_colour(values[i] / most, pixels + 3 * i);
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = PNG_FORMAT_RGB};
    bool good = png_image_write_to_file(&image, path, 0, pixels, 0, NULL);
    if (!good && errno == 0)
        errno = EIO;
    free(pixels);
    return good;
}
