#!/bin/sh
# Makes Yunzhuo's account and virtual host. As root, once; the password is read from standard input, never from the command
# line, which other accounts of the computer can see:   create-account.sh < password-file
set -eu
rabbitmqctl add_vhost yunzhuo
rabbitmqctl add_user yunzhuo
rabbitmqctl set_permissions --vhost yunzhuo yunzhuo '.*' '.*' '.*'
