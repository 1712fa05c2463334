/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Caps of `profctl serve`: what whoever can open a connection may cost. The caps of everything else
 * are in base/limits.h.
 */
#ifndef PROFCTL_HTTP_LIMITS_H
#define PROFCTL_HTTP_LIMITS_H

#define HTTP_CONNECTIONS     256U /* at once */
#define HTTP_STRANGERS	     32U  /* of them, of other users: each is told so and closed */
#define HTTP_COLLECTING	     16U /* requests that wait for a profile; the daemon's own cap a user */
#define HTTP_ASKING	     16U /* requests that the daemon answers at once */
#define HTTP_URI_BYTES	     4096U  /* path and query */
#define HTTP_HEADER_BYTES    16384U /* of a whole request, and MHD's memory for its connection */
#define HTTP_BODY_BYTES	     65536U
#define HTTP_REQUEST_SECONDS 10U /* from the first byte, or the last answer, to a whole request */
#define HTTP_ANSWER_SECONDS  60U /* to take an answer */
#define HTTP_STACK_BYTES     (512U * 1024U) /* of a thread that waits for the daemon */
#define HTTP_MAX_SECONDS     86400U	    /* of a profile; the daemon's own cap */
#define HTTP_PARAMETERS	     128U
#define HTTP_SYMBOL_BYTES    (16U * 1024U * 1024U) /* of the names of addresses */
#define HTTP_GRAPH_BYTES     (64U * 1024U * 1024U) /* of a page with a flame graph */

#endif
