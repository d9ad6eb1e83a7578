set terminal svg size 560,300 fixed font "sans-serif,13"
set key bottom left
set logscale x
set xlabel "attached devices"
set xrange [0.8:1300]
set yrange [0:*]
set ylabel "µs for an answer"
set title "RS → RA, 1 000 guests spread over the devices"
plot data using 1:($2/1000) with linespoints linestyle 1 title "a ring for each device: Frontdesk", \
     data using 1:($3/1000) with linespoints linestyle 2 title "one socket for all: loses answers in a flood"
