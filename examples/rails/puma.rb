environment "production"
bind "tcp://127.0.0.1:3000"
bind_to_activated_sockets "only" # instead, where there is one: what vwrap holds (rotation.listen)
raise_exception_on_sigterm false # TERM: finish what is under way, end with 0
queue_requests false # a connection that was taken is answered, also where its request comes only after TERM
