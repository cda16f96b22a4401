/* Connections that are not followed, as long as their course is regular: what Flows of sieve/flows.py would do with their segments.
 *
 * Regular is: a SYN, its SYN-ACK, bytes that begin no HTTP message, or requests in one segment each that are certainly not SCEP's with
 * their responses, a FIN, an RST. All else makes Python take the connection over (``release``), with the state that is kept here, and
 * nothing here has changed then. It counts as Flows counts: ``counts`` is shared, and both generations of connections are kept.
 */

#include "_stride.h"

static Header header_of(const Piece *piece) {
    return (Header){.frame = piece->frame,
                    .time_ns = piece->time_ns,
                    .sequence = piece->sequence,
                    .acknowledgment = piece->acknowledgment,
                    .flags = piece->flags,
                    .window = piece->window,
                    .hops = piece->hops,
                    .ident = piece->ident};
}

/* Whether one more direction may become young before Flows makes the generation old. */
static int has_room(const Regular *table) {
    return *count_of(table, YOUNG) + PyDict_Size(table->young) < table->most_young;
}

/* What skim.py's ``tame`` would say of a direction: -1 nothing, 0 False, 1 True. */
int regular_tame(const Regular *table, uint32_t at, int side) {
    const Entry *entry = &table->entries[at];
    if (!entry->tamed || !(entry->known & side))
        return -1;
    return entry->asker ? !(entry->asker == side || entry->asked) : !(entry->fresh & side);
}

/* A SYN of a connection that nobody knows. */
Fate regular_opens(Regular *table, const Piece *piece) {
    unsigned char other[LONGEST_KEY];
    if ((piece->flags & (FIN | SYN | RST | ACK)) != SYN || piece->size || piece->cut || !piece->timed || !has_room(table))
        return TAKEN;
    key_reversed(piece->key, piece->key_size, other);
    if (!memcmp(piece->key, other, (size_t)piece->key_size))
        return TAKEN; /* to itself */
    PyObject *tables[] = {table->young, table->old};
    const unsigned char *keys[] = {piece->key, other};
    for (int each = 0; each < 4; each++) {
        PyObject *key = PyBytes_FromStringAndSize((const char *)keys[each & 1], piece->key_size);
        if (key == NULL)
            return FAILED;
        PyObject *found = PyDict_GetItemWithError(tables[each >> 1], key);
        Py_DECREF(key);
        if (found != NULL || PyErr_Occurred())
            return found != NULL ? TAKEN : FAILED;
    }
    Entry *entry = table_add(table, piece->key, piece->key_size);
    if (entry == NULL)
        return TAKEN;
    entry->number = (*count_of(table, NUMBERS))++;
    entry->fresh = BOTH;
    entry->known = entry->young = CLIENT;
    entry->tamed = 1;
    entry->first[0] = piece->sequence;
    entry->opening[0] = header_of(piece);
    entry->openings = 1;
    (*count_of(table, YOUNG))++;
    return STEPPED_OVER;
}

/* A segment has changed nothing but this: its direction has come by. */
static Fate came_by(Regular *table, Entry *entry, int side, const Piece *piece) {
    if (!(entry->young & side)) {
        entry->young |= (uint8_t)side;
        (*count_of(table, YOUNG))++;
    }
    if (!(entry->known & side)) {
        entry->known |= (uint8_t)side;
        entry->first[side - 1] = (int64_t)piece->sequence - !(piece->flags & SYN);
    }
    entry->tamed = 1;
    entry->established |= piece->size || (piece->flags & (SYN | ACK)) == (SYN | ACK);
    entry->ended |= (piece->flags & (FIN | RST)) != 0;
    return STEPPED_OVER;
}

/* Address and port that a direction goes to; gives their size. */
static Py_ssize_t server_of(const unsigned char *key, Py_ssize_t size, unsigned char *server) {
    Py_ssize_t half = (size - 4) / 2;
    memcpy(server, key + half, (size_t)half);
    memcpy(server + half, key + size - 2, 2);
    return half + 2;
}

/* The same of one with bytes: what the report says of all connections is counted. */
static Fate spoke(Regular *table, Entry *entry, int side, const Piece *piece) {
    if (!entry->heard && piece->size > 1 && piece->payload[0] == 0x16 && piece->payload[1] == 0x03) {
        unsigned char server[LONGEST_KEY];
        Py_ssize_t size = server_of(entry->key, entry->key_size, server);
        PyObject *given = PyObject_CallFunction(table->met_tls, "y#K", (const char *)server, size, (unsigned long long)piece->frame);
        if (given == NULL)
            return FAILED;
        Py_DECREF(given);
    }
    if (piece->begins && begins_request(&table->marks, piece->payload, piece->size) == 1)
        (*count_of(table, REQUESTS))++;
    entry->heard = 1;
    return came_by(table, entry, side, piece);
}

/* Bytes of the side that asks, ``next`` being where its next bytes belong. */
static Fate asks(Regular *table, Entry *entry, int side, uint32_t next, const Piece *piece) {
    int64_t ahead = distance(piece->sequence, next);
    Py_ssize_t whole, target_size;
    const unsigned char *target;
    if (ahead < 0 && ahead + piece->size <= 0)
        return spoke(table, entry, side, piece); /* sent again, or the body of a request that was judged by its head */
    if (ahead || entry->asked || !piece->timed || *count_of(table, HELD) + piece->size > table->most_held)
        return TAKEN;
    if (begins_request(&table->marks, piece->payload, piece->size) != 1 || ((piece->payload[0] | 0x20) == 'c' && (piece->payload[1] | 0x20) == 'o' && (piece->payload[2] | 0x20) == 'n'))
        return TAKEN; /* the response to CONNECT tells more */
    if (!other_request(&table->marks, piece->payload, piece->size, &whole, &target, &target_size))
        return TAKEN;
    unsigned char *bytes = PyMem_Malloc((size_t)piece->size);
    if (bytes == NULL)
        return TAKEN;
    unsigned char server[LONGEST_KEY];
    Py_ssize_t size = server_of(piece->key, piece->key_size, server);
    PyObject *passes = PyObject_CallFunction(table->pass, "y#y#", (const char *)server, size, (const char *)target, target_size);
    int passed = passes == NULL ? -1 : PyObject_IsTrue(passes);
    Py_XDECREF(passes);
    if (passed <= 0) {
        PyMem_Free(bytes);
        return passed ? FAILED : TAKEN;
    }
    memcpy(bytes, piece->payload, (size_t)piece->size);
    entry->request_bytes = bytes, entry->request_size = piece->size;
    entry->request = header_of(piece);
    *count_of(table, HELD) += piece->size;
    entry->asker = (uint8_t)side, entry->fresh = 0, entry->asked = 1;
    entry->next = piece->sequence + (uint32_t)whole;
    entry->answer_known = (piece->flags & ACK) != 0, entry->answer_at = piece->acknowledgment;
    return spoke(table, entry, side, piece);
}

/* Bytes of the side that answers. */
static Fate answers(Regular *table, Entry *entry, int side, const Piece *piece) {
    if (!entry->asked) /* the body of a response that was judged by its head, if it begins no message */
        return piece->begins || piece->size < LEAST_START ? TAKEN : spoke(table, entry, side, piece);
    int64_t ahead = entry->answer_known ? distance(piece->sequence, entry->answer_at) : 0;
    if (ahead < 0 && ahead + piece->size <= 0)
        return spoke(table, entry, side, piece);
    if (ahead || !other_response(&table->marks, piece->payload, piece->size))
        return TAKEN;
    PyMem_Free(entry->request_bytes);
    entry->request_bytes = NULL, entry->request_size = 0;
    entry->asked = entry->answer_known = 0;
    entry->past_known |= (uint8_t)side;
    entry->past[side - 1] = piece->sequence + (uint32_t)piece->size;
    return spoke(table, entry, side, piece);
}

/* A segment of a connection in the table's care; TAKEN where it is not regular, and Python is to take the connection over. */
Fate regular_goes_on(Regular *table, uint32_t at, int side, const Piece *piece) {
    Entry *entry = &table->entries[at];
    if (piece->cut || (!(entry->young & side) && !has_room(table)))
        return TAKEN;
    if (piece->flags & SYN) {
        if ((piece->flags & (FIN | SYN | RST | ACK)) != (SYN | ACK) || piece->size || side != SERVER || entry->openings != 1 ||
            entry->known & SERVER || !piece->timed)
            return TAKEN;
        entry->opening[1] = header_of(piece);
        entry->openings = 2;
        return came_by(table, entry, side, piece);
    }
    if (piece->flags & RST && (piece->size || !entry->established))
        return TAKEN;
    if (!piece->size)
        return came_by(table, entry, side, piece);
    if (entry->past_known & side && distance(piece->sequence, entry->past[side - 1]) + piece->size <= 0)
        return spoke(table, entry, side, piece); /* it comes again */
    if (entry->asker)
        return entry->asker == side ? asks(table, entry, side, entry->next, piece) : answers(table, entry, side, piece);
    if (entry->fresh & side && entry->openings >= side) {
        int64_t place = distance(piece->sequence, entry->opening[side - 1].sequence + 1);
        if (place)
            return place > 0 ? TAKEN : spoke(table, entry, side, piece); /* a keep-alive probe before the first byte */
    }
    if (piece->size < LEAST_START)
        return TAKEN;
    if (piece->begins)
        return asks(table, entry, side, piece->sequence, piece);
    entry->fresh &= (uint8_t)~side;
    return spoke(table, entry, side, piece);
}

static PyObject *segment_of(const Entry *entry, int side, const Header *header, const unsigned char *bytes, Py_ssize_t size) {
    unsigned char key[LONGEST_KEY];
    if (side == CLIENT)
        memcpy(key, entry->key, entry->key_size);
    else
        key_reversed(entry->key, entry->key_size, key);
    return Py_BuildValue("KLy#kkiy#iiiii", (unsigned long long)header->frame, (long long)header->time_ns, (const char *)key,
                         (Py_ssize_t)entry->key_size, (unsigned long)header->sequence, (unsigned long)header->acknowledgment,
                         (int)header->flags, bytes == NULL ? "" : (const char *)bytes, size, 0, -1, (int)header->hops,
                         (int)header->ident, (int)header->window);
}

static PyObject *or_none(int known, int64_t value) { return known ? PyLong_FromLongLong(value) : Py_NewRef(Py_None); }

/* Everything that is kept of a connection, as Flows._released takes it. */
PyObject *regular_state(const Entry *entry) {
    PyObject *opening = PyTuple_New(entry->openings), *state = NULL;
    for (int each = 0; opening != NULL && each < entry->openings; each++) {
        PyObject *segment = segment_of(entry, each + 1, &entry->opening[each], NULL, 0);
        if (segment == NULL || PyTuple_SetItem(opening, each, segment) < 0)
            Py_CLEAR(opening);
    }
    PyObject *request = entry->asked ? segment_of(entry, entry->asker, &entry->request, entry->request_bytes, entry->request_size)
                                     : Py_NewRef(Py_None);
    if (opening != NULL && request != NULL)
        state = Py_BuildValue("Ly#NNOOOOiikNNNOOiiO", (long long)entry->number, (const char *)entry->key,
                              (Py_ssize_t)entry->key_size, or_none(entry->known & CLIENT, entry->first[0]),
                              or_none(entry->known & SERVER, entry->first[1]), entry->established ? Py_True : Py_False,
                              entry->ended ? Py_True : Py_False, entry->heard ? Py_True : Py_False,
                              entry->asked ? Py_True : Py_False, entry->fresh, entry->asker,
                              (unsigned long)entry->next, or_none(entry->answer_known, entry->answer_at),
                              or_none(entry->past_known & CLIENT, entry->past[0]),
                              or_none(entry->past_known & SERVER, entry->past[1]), opening, request, entry->young, entry->old,
                              entry->tamed ? Py_True : Py_False);
    Py_XDECREF(opening);
    Py_XDECREF(request);
    return state;
}
