/* SPDX-License-Identifier: Apache-2.0 */
/* Text of any bytes as a JSON string. */
#ifndef PROFCTL_VIEW_JSON_TEXT_H
#define PROFCTL_VIEW_JSON_TEXT_H

#include <stdio.h>

/* With quotes. What is not UTF-8 becomes U+FFFD; control characters are escaped. */
void json_text(FILE *out, const char *text);

#endif
