/* Cases for the headers around learning: api CASE IMAGE... */
#ifndef API_CARE_H
#define API_CARE_H

void tail_alone(char **path);
void care_frozen(char **path);
void ring_of(char **path);
void gate_of(char **path);
void guard_of(char **path);
void weights_of(char **path);
void classes_of(char **path);

#endif
